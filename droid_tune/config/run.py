"""One run, whole: every section, closed and explained. `config.yaml` in the run folder is this, resolved."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from droid_tune.config.base import Closed, setting, unknown_key
from droid_tune.config.methods import AnyMethod, GRPOConfig, PolicyMethodConfig, SFTConfig
from droid_tune.config.rewards import AccuracyReward, AnyReward
from droid_tune.config.sampling import SamplingConfig
from droid_tune.names import Backward, Split, Thinking

CONFIG_VERSION = 1


class ModelConfig(Closed):
    """Which model is trained, and from where it starts."""

    path: Annotated[
        str,
        setting(
            "Model",
            "`starter`, a folder with config.json and safetensors, or a Hugging Face id (mlx-community/Qwen3-0.6B-4bit).",
        ),
    ] = "starter"
    revision: Annotated[
        str, setting("Revision", "Branch, tag or commit on the Hub; empty is the newest.", advanced=True)
    ] = ""
    start_from: Annotated[
        str,
        setting(
            "Start from run",
            "The folder or id of an earlier run whose adapter this run begins with; empty starts fresh.",
            holds="run",
        ),
    ] = ""
    start_mode: Annotated[
        Literal["continue", "fuse"],
        setting(
            "How to start from it",
            "continue: its adapter is trained further, the reference stays the base model. fuse: it is merged into "
            "the model, which becomes the reference, and a new adapter begins.",
            advanced=True,
        ),
    ] = "continue"

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

    type: Annotated[
        Literal["lora", "dora", "full"],
        setting(
            "What is trained",
            "LoRA trains small added matrices; DoRA also their magnitude; full trains every weight.",
        ),
    ] = "lora"
    rank: Annotated[
        int,
        setting(
            "Rank", "Size of the added matrices: more can learn more and takes more memory.", ge=1, le=512
        ),
    ] = 8
    scale: Annotated[float, setting("Scale", "How strongly the adapter acts.", gt=0, le=1000)] = 20.0
    dropout: Annotated[
        float,
        setting(
            "Dropout",
            "Share of adapter inputs left out while training, against overfitting.",
            advanced=True,
            ge=0,
            lt=1,
        ),
    ] = 0.0
    layers: Annotated[
        int, setting("Layers", "How many of the last layers are trained; -1 is all.", advanced=True, ge=-1)
    ] = -1
    target_modules: Annotated[
        tuple[str, ...],
        setting(
            "Modules",
            "Name patterns of the layers to train, such as *.q_proj; empty takes every linear layer.",
            advanced=True,
        ),
    ] = ()

    @model_validator(mode="after")
    def _some_layers(self) -> Self:
        if self.layers == 0:
            raise ValueError("`layers` 0 would train nothing; use -1 for all layers")
        return self


class DataConfig(Closed):
    """Where the rows come from and how they are read."""

    path: Annotated[
        str, setting("Data", "`sample`, a file, or a folder with train.jsonl (and valid.jsonl).")
    ] = "sample"
    files: Annotated[
        dict[Split, list[str]],
        setting("Files", "Files from several places by their split; read in place of `path`.", advanced=True),
    ] = Field(default_factory=dict)
    mapping: Annotated[
        dict[str, str],
        setting("Column mapping", "Our field: the data's column, e.g. prompt: query.", advanced=True),
    ] = Field(default_factory=dict)
    system_prompt: Annotated[
        str,
        setting("System prompt", "Put before every row that has no system text of its own; empty is none."),
    ] = ""
    thinking: Annotated[
        Thinking,
        setting(
            "Thinking",
            "For templates that can switch thinking on or off; `template` leaves it as the model has it.",
            advanced=True,
        ),
    ] = "template"
    shuffle: Annotated[bool, setting("Shuffle", "A new order every epoch, from the seed.", advanced=True)] = (
        True
    )


class TrainingConfig(Closed):
    """How long and in what portions."""

    aliases: ClassVar[dict[str, str]] = {
        "iters": "iterations",
        "grad_accumulation_steps": "gradient_accumulation_steps",
    }

    iterations: Annotated[
        int, setting("Steps", "How often the weights are updated.", ge=1, le=10_000_000)
    ] = 200
    batch_size: Annotated[
        int, setting("Prompts per step", "Rows of data per rollout (SFT: per update).", ge=1, le=4096)
    ] = 4
    gradient_accumulation_steps: Annotated[
        int,
        setting(
            "Accumulate", "Batches (rollout slices) gathered into one update.", advanced=True, ge=1, le=1024
        ),
    ] = 1
    max_seq_length: Annotated[
        int,
        setting(
            "Longest sequence",
            "Prompt and completion together; longer prompts are refused before training.",
            unit="tokens",
            ge=8,
            le=1_048_576,
        ),
    ] = 2048
    max_grad_norm: Annotated[
        float, setting("Gradient clip", "Largest norm of the gradient; 0 is off.", advanced=True, ge=0)
    ] = 1.0
    seed: Annotated[
        int, setting("Seed", "The same seed, data and settings give the same run.", ge=0, le=2**31 - 1)
    ] = 0
    steps_per_report: Annotated[
        int, setting("Report every", "Steps between points on the curves.", advanced=True, unit="steps", ge=1)
    ] = 1


class OptimizerConfig(Closed):
    """The optimizer and the path of its learning rate."""

    aliases: ClassVar[dict[str, str]] = {
        "lr": "learning_rate",
        "optimizer": "name",
        "lr_schedule": "schedule",
    }

    name: Annotated[
        Literal["adamw", "adam", "adafactor", "lion", "muon"],
        setting("Optimizer", "AdamW suits nearly everything.", advanced=True),
    ] = "adamw"
    learning_rate: Annotated[
        float | None,
        setting(
            "Learning rate",
            "Size of a step; empty takes the method's own (SFT 2e-4, reinforcement 1e-5; in full a tenth of these).",
            gt=0,
            le=1,
        ),
    ] = None
    weight_decay: Annotated[
        float, setting("Weight decay", "Pull of the weights towards zero.", advanced=True, ge=0, le=1)
    ] = 0.0
    beta1: Annotated[
        float, setting("Beta 1", "Memory of the gradient's mean.", advanced=True, ge=0, lt=1)
    ] = 0.9
    beta2: Annotated[
        float, setting("Beta 2", "Memory of the gradient's square.", advanced=True, ge=0, lt=1)
    ] = 0.999
    schedule: Annotated[
        Literal["constant", "linear", "cosine"],
        setting("Schedule", "How the learning rate falls over the run."),
    ] = "constant"
    warmup_steps: Annotated[
        int,
        setting(
            "Warm-up", "Steps over which the learning rate rises from 0.", advanced=True, unit="steps", ge=0
        ),
    ] = 0
    final_fraction: Annotated[
        float,
        setting(
            "Final share",
            "Where the schedule ends, as a share of the learning rate.",
            advanced=True,
            ge=0,
            le=1,
        ),
    ] = 0.0

    @model_validator(mode="after")
    def _decay_acts(self) -> Self:
        if self.name == "adam" and self.weight_decay:
            raise ValueError(
                "`weight_decay` has no effect in adam; use adamw, which is adam with weight decay"
            )
        return self


class EvaluationConfig(Closed):
    """Greedy answers to held-out rows: the honest measure."""

    steps_per_eval: Annotated[
        int,
        setting("Evaluate every", "Steps between evaluations; 0 only at start and end.", unit="steps", ge=0),
    ] = 50
    rows: Annotated[
        int,
        setting(
            "Held-out rows", "At most this many rows of the validation split; 0 turns evaluation off.", ge=0
        ),
    ] = 64
    at_start: Annotated[bool, setting("Evaluate before training", "Gives the curve its starting point.")] = (
        True
    )


class CheckpointConfig(Closed):
    """When the run is saved."""

    save_every: Annotated[
        int,
        setting("Save every", "Steps between checkpoints; a crash loses at most these.", unit="steps", ge=1),
    ] = 50
    keep: Annotated[
        int, setting("Keep", "How many checkpoints stay on disk; 0 keeps all.", advanced=True, ge=0)
    ] = 2


class MemoryConfig(Closed):
    """One budget from which the engine chooses its portions."""

    budget_fraction: Annotated[
        float,
        setting(
            "Memory budget",
            "Share of the memory that macOS recommends for the GPU which a run may use.",
            ge=0.05,
            le=0.95,
        ),
    ] = 0.75
    budget_mb: Annotated[
        int | None,
        setting(
            "Memory budget (fixed)",
            "An absolute budget instead of the share; empty uses the share.",
            advanced=True,
            unit="MB",
            ge=1,
        ),
    ] = None
    rows_per_decode_batch: Annotated[
        int | None, setting("Rows decoded together", "Empty: chosen from the budget.", advanced=True, ge=1)
    ] = None
    rows_per_micro_batch: Annotated[
        int | None, setting("Rows trained together", "Empty: chosen from the budget.", advanced=True, ge=1)
    ] = None
    backward: Annotated[
        Backward,
        setting("Backward pass", "How gradients are computed; auto chooses by the budget.", advanced=True),
    ] = "auto"


SECTIONS: tuple[str, ...] = (
    "model",
    "data",
    "method",
    "adapter",
    "training",
    "sampling",
    "optimizer",
    "evaluation",
    "checkpoint",
    "memory",
)


class RunConfig(Closed):
    """Everything that decides a run."""

    version: Annotated[int, setting("Format", "Version of this file's format.", advanced=True, ge=1)] = (
        CONFIG_VERSION
    )
    name: Annotated[
        str,
        setting("Name", "A name for the run in lists; empty is made from model and method.", max_length=120),
    ] = ""
    model: ModelConfig = Field(default=ModelConfig(), title="Model")
    data: DataConfig = Field(default=DataConfig(), title="Data")
    method: AnyMethod = Field(default=GRPOConfig(), title="Method")
    adapter: AdapterConfig = Field(default=AdapterConfig(), title="Adapter")
    training: TrainingConfig = Field(default=TrainingConfig(), title="Training")
    sampling: SamplingConfig = Field(default=SamplingConfig(), title="Sampling")
    rewards: tuple[AnyReward, ...] = Field(
        default=(AccuracyReward(),), title="Rewards", description="Added up with their weights."
    )
    optimizer: OptimizerConfig = Field(default=OptimizerConfig(), title="Optimizer")
    evaluation: EvaluationConfig = Field(default=EvaluationConfig(), title="Evaluation")
    checkpoint: CheckpointConfig = Field(default=CheckpointConfig(), title="Checkpoints")
    memory: MemoryConfig = Field(default=MemoryConfig(), title="Memory")

    @model_validator(mode="before")
    @classmethod
    def _method_by_name(cls, values: Any) -> Any:
        """`method: grpo` is short for `method: {type: grpo}`."""
        if isinstance(values, dict) and isinstance(values.get("method"), str):  # pyright: ignore[reportUnknownMemberType]
            return {**values, "method": {"type": values["method"]}}  # pyright: ignore[reportUnknownVariableType]
        return values  # pyright: ignore[reportUnknownVariableType]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.version > CONFIG_VERSION:
            raise ValueError(
                f"`version` {self.version} comes from a newer Droid Tune (this one reads {CONFIG_VERSION}); "
                "update the application"
            )
        method = self.method
        if isinstance(method, PolicyMethodConfig):
            if not self.rewards:
                raise ValueError("`rewards` must hold at least one reward for a reinforcement method")
            rows = self.training.batch_size * method.group_size
            if rows % method.steps_per_generation:
                raise ValueError(
                    f"`steps_per_generation` {method.steps_per_generation} must divide the {rows} completions of a "
                    f"rollout (batch_size {self.training.batch_size} x group_size {method.group_size})"
                )
            if self.sampling.max_completion_length >= self.training.max_seq_length:
                raise ValueError(
                    f"`max_completion_length` {self.sampling.max_completion_length} leaves no room for a prompt in "
                    f"`max_seq_length` {self.training.max_seq_length}"
                )
            if self.sampling.temperature == 0:
                raise ValueError(
                    "`temperature` 0 makes all completions of a group the same: nothing to learn; use about 1"
                )
            if self.sampling.top_k == 1:
                raise ValueError(
                    "`top_k` 1 makes all completions of a group the same: nothing to learn; use 0, which is off"
                )
            longest = self.sampling.max_completion_length
            if method.overlong_cache is not None and method.overlong_cache > longest:
                raise ValueError(
                    f"`overlong_cache` {method.overlong_cache} is more than `max_completion_length` {longest}: even an "
                    "empty completion would be punished"
                )
            names = [reward.name or reward.type for reward in self.rewards]
            double = {name for name in names if names.count(name) > 1}
            if double:
                raise ValueError(
                    f"two rewards are called `{sorted(double)[0]}`; give one of them a `name` of its own"
                )
        return self

    @property
    def learning_rate(self) -> float:
        """The user's, else the method's own; training every weight takes a tenth of an adapter's."""
        given = self.optimizer.learning_rate
        if given is not None:
            return given
        own = type(self.method).default_learning_rate
        return own / 10 if self.adapter.type == "full" else own

    @property
    def is_sft(self) -> bool:
        return isinstance(self.method, SFTConfig)


def find_setting(key: str) -> tuple[str, ...]:
    """The path of a setting given by its short or dotted name, for `--set`.

    `group_size` -> ("method", "group_size"); `optimizer.learning_rate` stays. Raises ValueError with the
    nearest name where none fits.
    """
    if "." in key or key in RunConfig.model_fields:
        return tuple(key.split("."))
    homes = [path for path in known_settings() if path[-1] == key]
    if len(homes) == 1:
        return homes[0]
    if homes:
        raise ValueError(
            f"`{key}` could be any of {', '.join('.'.join(home) for home in homes)}; write it in full"
        )
    raise ValueError(unknown_key(key, [path[-1] for path in known_settings()]))


def section_aliases(section: str) -> dict[str, str]:
    """Other trainers' names for the fields of a section."""
    return PolicyMethodConfig.aliases if section == "method" else _SECTION_MODELS[section].aliases


def known_settings() -> list[tuple[str, ...]]:
    """Every path that `--set` may give by its last part alone, aliases included."""
    paths = [
        (section, name)
        for section, model in _SECTION_MODELS.items()
        for name in (*model.model_fields, *model.aliases)
        if name not in ("type", "name", "path")
    ]
    method_names = dict.fromkeys(
        [*PolicyMethodConfig.model_fields, *PolicyMethodConfig.aliases, *SFTConfig.model_fields]
    )
    return [*paths, *(("method", name) for name in method_names if name != "type")]


_SECTION_MODELS: dict[str, type[Closed]] = {
    "model": ModelConfig,
    "data": DataConfig,
    "adapter": AdapterConfig,
    "training": TrainingConfig,
    "sampling": SamplingConfig,
    "optimizer": OptimizerConfig,
    "evaluation": EvaluationConfig,
    "checkpoint": CheckpointConfig,
    "memory": MemoryConfig,
}
