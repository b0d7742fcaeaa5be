"""What a run begins with: the model, what of it is trained, and the rows."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from droid_tune.config.base import Closed, setting
from droid_tune.names import CHECKPOINT, LAST, Split, Thinking


class ModelConfig(Closed):
    """Which model is trained, and from where it starts."""

    path: str = setting("starter", "Model")
    """`starter` or `tools-starter`, a folder with config.json and safetensors, or a Hugging Face id
    (mlx-community/Qwen3-0.6B-4bit).
    """
    revision: str = setting("", "Revision", advanced=True)
    """Branch, tag or commit on the Hub; empty is the newest."""
    start_from: str = setting("", "Start from run", holds="run")
    """The folder or id of an earlier run whose adapter this run begins with; empty starts fresh."""
    start_checkpoint: str = setting(
        LAST, "Checkpoint to start from", advanced=True, pattern=f"^({CHECKPOINT})$"
    )
    """last: the newest weights of that run. best: those with the best held-out evaluation. Or a checkpoint's step."""
    start_mode: Literal["continue", "fuse"] = setting("continue", "How to start from it", advanced=True)
    """continue: its adapter is trained further, the reference stays the base model (of DPO, KTO and BCO it is that
    adapter as the run begins). fuse: it is merged into the model, which becomes the reference, and a new adapter begins.
    """

    @model_validator(mode="after")
    def _something_to_fuse(self) -> Self:
        if self.start_mode == "fuse" and not self.start_from:
            raise ValueError(
                "`start_from` is empty, so there is nothing to fuse; name an earlier run, or set `start_mode` to continue"
            )
        return self


class AdapterConfig(Closed):
    """What is trained: a low-rank adapter, or everything."""

    aliases: ClassVar[dict[str, str]] = {
        "lora_rank": "rank",
        "lora_layers": "layers",
        "num_layers": "layers",
        "keys": "target_modules",
    }

    type: Literal["lora", "dora", "full"] = setting("lora", "What is trained")
    """LoRA trains small added matrices; DoRA also their magnitude; full trains every weight."""
    rank: int = setting(8, "Rank", ge=1, le=512)
    """Size of the added matrices: more can learn more and takes more memory."""
    scale: float = setting(20.0, "Scale", gt=0, le=1000)
    """How strongly the adapter acts."""
    dropout: float = setting(0.0, "Dropout", advanced=True, ge=0, lt=1)
    """Share of adapter inputs left out while training, against overfitting."""
    layers: int = setting(-1, "Layers", advanced=True, ge=-1)
    """How many of the last layers are trained; -1 is all."""
    target_modules: tuple[str, ...] = setting((), "Modules", advanced=True)
    """Name patterns of the layers to train, such as *.q_proj; empty takes every linear layer."""

    @model_validator(mode="after")
    def _some_layers(self) -> Self:
        if self.layers == 0:
            raise ValueError("`layers` 0 would train nothing; use -1 for all layers")
        return self


class DataConfig(Closed):
    """Where the rows come from and how they are read."""

    path: str = setting("sample", "Data")
    """`sample` or `tools-sample`, a file, or a folder with train.jsonl (and valid.jsonl)."""
    files: dict[Split, list[str]] = setting(title="Files", default_factory=dict, advanced=True)
    """Files from several places by their split; read in place of `path`."""
    mapping: dict[str, str] = setting(title="Column mapping", default_factory=dict, advanced=True)
    """Our field: the data's column, e.g. prompt: query."""
    system_prompt: str = setting("", "System prompt")
    """Put before every row that has no system text of its own; empty is none."""
    thinking: Thinking = setting("template", "Thinking", advanced=True)
    """For templates that can switch thinking on or off; `template` leaves it as the model has it."""
    template_date: str = setting("", "Date in the prompt", advanced=True)
    """The day that a template with a date tells (2026-11-30); empty is the day on which the run was made."""
    shuffle: bool = setting(True, "Shuffle", advanced=True)
    """A new order every epoch, from the seed."""

    @field_validator("template_date")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        if value:
            try:
                date.fromisoformat(value)
            except ValueError:
                raise ValueError(f"`{value}` is no date such as 2026-11-30") from None
        return value
