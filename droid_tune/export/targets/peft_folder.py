"""The adapter alone, in PEFT's layout, for Transformers."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from droid_tune.config.exporting import ExportRequest
from droid_tune.control import Watch
from droid_tune.errors import UserError
from droid_tune.export.base import ExportSource, Target
from droid_tune.export.checking.exam import Exam, Sitting
from droid_tune.export.checking.fresh_process import sit_in_fresh_process
from droid_tune.export.gguf.families import FAMILIES, Settings, scaling_kind, settings_of
from droid_tune.export.targets.adapter_folder import MLX_SITTING
from droid_tune.machine.scratch import scratch_folder
from droid_tune.model.adapter_files import SETTINGS, WEIGHTS
from droid_tune.model.adapters import EMBEDDING, SWITCH, base_of, is_adapter
from droid_tune.model.arrays import write_arrays
from droid_tune.model.peft_files import read_peft, write_peft
from droid_tune.model.policy import Policy
from droid_tune.model_files.model_folder import read_json
from droid_tune.model_files.read_facts import read_model
from droid_tune.model_files.tokenizer import ends_in_files

PEFT_SITTING = "droid_tune.export.checking.sitting_peft"
#: families whose modules are called alike in Transformers and in mlx-lm
SAME_NAMES = frozenset((*FAMILIES, "gemma", "granite", "olmo2", "starcoder2", "cohere")) - {"gemma3"}


class PeftFolder(Target):
    """`adapter_model.safetensors` and `adapter_config.json`, as `PeftModel.from_pretrained` takes them."""

    def refuse(self, source: ExportSource, request: ExportRequest) -> None:
        """What PEFT cannot hold: all weights, experts, magnitudes of embeddings, other names of modules."""
        policy, kind = source.policy, str(source.policy.config.get("model_type"))
        if policy.adapter.type == "full":
            raise UserError(
                "all weights were trained: there is no adapter to write", remedy="use `--to fused`"
            )
        if kind not in SAME_NAMES:
            raise UserError(
                "Transformers calls the modules of this family otherwise",
                value=kind,
                remedy="use `--to fused`",
            )
        for name, module in policy.model.named_modules():
            base = base_of(module) if is_adapter(module) else None
            if isinstance(base, SWITCH):
                raise UserError(
                    "PEFT has no adapter for layers of experts", value=name, remedy="use `--to fused`"
                )
            if isinstance(base, EMBEDDING) and policy.adapter.type == "dora":
                raise UserError(
                    "PEFT computes DoRA of embeddings otherwise", value=name, remedy="use `--to fused`"
                )

    def bytes_needed(self, source: ExportSource, request: ExportRequest) -> int:
        """The trained arrays."""
        return source.policy.trainable_bytes

    def is_lossless(self, source: ExportSource, request: ExportRequest) -> bool:
        """The same numbers, transposed."""
        return True

    def write(self, source: ExportSource, request: ExportRequest, folder: Path, watch: Watch) -> list[str]:
        """Two files; which layers there are in all is noted for reading it back."""
        policy, named = source.policy, source.config.model.path
        tied = bool(settings_of(policy.config, policy.model).get("tie_word_embeddings"))
        write_peft(policy.trainable(), policy.adapter, named, folder, tied=tied)
        notes = [*_ends_to_give(policy), *_other_positions(settings_of(policy.config, policy.model))]
        if "quantization" not in policy.config:
            return notes
        return [
            *notes,
            f"It was trained on `{named}`, whose weights are quantised: on the Hub's unquantised model, which PEFT needs "
            "(`base_model_name_or_path` in adapter_config.json), it answers a little otherwise.",
        ]

    def open(self, base: Path, folder: Path, exam: Exam, watch: Watch) -> tuple[str, Sitting]:
        """By Transformers and PEFT where they are installed and can load the base, else by reading it back into mlx-lm."""
        installed = all(find_spec(name) is not None for name in ("peft", "torch"))
        if installed and "quantization" not in read_json(base / "config.json"):
            return "Transformers with PEFT", sit_in_fresh_process(
                PEFT_SITTING, [str(base), str(folder)], exam, watch
            )
        with scratch_folder(folder.parent) as again:
            back_to_mlx(folder, base, again)
            return "mlx-lm, read back", sit_in_fresh_process(
                MLX_SITTING, [str(base), str(again)], exam, watch
            )

    def how_to_use(self, source: ExportSource, out: Path) -> str:
        """Python."""
        return f"PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), {str(out)!r})"


def _ends_to_give(policy: Policy) -> list[str]:
    """What Transformers has to be told, which ends answers by the base's files alone: not by the tokenizer, nor by what the
    chat template writes."""
    if policy.stop_tokens <= set(ends_in_files(policy.path)):
        return []
    ends = sorted(policy.stop_tokens)
    return [
        f"The base's generation_config.json does not name every token that ends an answer of this model: give "
        f"`generate` `eos_token_id={ends}`."
    ]


def _other_positions(settings: Settings) -> list[str]:
    """Phi's longrope: mlx-lm takes its long factors at every length, Transformers its short ones up to the first training's
    (mlx-lm 0.32.2, transformers 5.24)."""
    scaling = settings.get("rope_scaling") or {}
    if scaling_kind(settings) != "longrope" or scaling.get("short_factor") == scaling.get("long_factor"):
        return []
    first = settings.get("original_max_position_embeddings") or settings["max_position_embeddings"]
    return [
        f"Up to {int(first):,} tokens Transformers reads positions of this family by other factors than those that the run "
        "learnt with (`short_factor`, mlx-lm always `long_factor`): there it answers otherwise."
    ]


def back_to_mlx(peft: Path, base: Path, folder: Path) -> None:
    """Write a PEFT adapter of the model folder `base` as mlx-lm loads it. Raises UserError where mlx-lm has no such."""
    adapter, facts = read_peft(peft), read_model(base)
    settings = adapter.settings(facts.layers, facts.tied, str(peft))
    (folder / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
    write_arrays(folder / WEIGHTS, adapter.arrays)
