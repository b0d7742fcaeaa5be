"""What a run's result can be written as, and what is asked for: for the command line and the window alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from droid_tune.names import ExportTarget, WeightType

#: under which LM Studio lists what was trained here
PUBLISHER = "droid-tune"
#: held-out rows that the written model is compared on, unless said otherwise
CHECK_ROWS = 32


@dataclass(frozen=True)
class TargetFacts:
    """What lists show of a target, and the types that its weights can have, the usual one first."""

    label: str
    summary: str
    types: tuple[WeightType, ...] = ("keep",)

    @property
    def requantises(self) -> bool:
        """Whether trained layers can have the bits of a quantised base again."""
        return "mlx-4bit" in self.types


_MLX: tuple[WeightType, ...] = ("keep", "none", "mlx-4bit", "mlx-8bit")
_GGUF: tuple[WeightType, ...] = ("none", "bf16", "f16", "q8_0", "q4_0")

TARGETS: dict[ExportTarget, TargetFacts] = {
    "adapter": TargetFacts(
        "Adapter (MLX)", "What was trained alone, for mlx-lm with the model that it was trained on."
    ),
    "fused": TargetFacts("Model (MLX)", "A whole model with what it learnt, for mlx-lm.", _MLX),
    "gguf": TargetFacts("GGUF", "One file for llama.cpp and the programs built on it.", _GGUF),
    "peft": TargetFacts("Adapter (PEFT)", "What was trained alone, for Transformers with PEFT."),
    "ollama": TargetFacts(
        "Ollama", "A GGUF file with its Modelfile; Ollama gets it where it is installed.", _GGUF
    ),
    "lmstudio": TargetFacts("LM Studio", "A whole model where LM Studio looks for models.", _MLX),
    "hub": TargetFacts(
        "Hugging Face Hub", "A whole model with a card, for a private repository of yours.", _MLX
    ),
}

#: what `ExportRequest.requantise` is called
REQUANTISED = "As the base model, part of what was learnt lost"
WEIGHT_TYPES: tuple[WeightType, ...] = get_args(WeightType)


#: what a type of weights is called
TYPE_LABELS: dict[WeightType, str] = {
    "keep": "As the base model, trained layers in full",
    "none": "Not quantised",
    "bf16": "bfloat16",
    "f16": "float16",
    "q8_0": "8 bits (q8_0)",
    "q4_0": "4 bits (q4_0)",
    "mlx-4bit": "4 bits",
    "mlx-8bit": "8 bits",
}


@dataclass(frozen=True)
class ExportRequest:
    """What is to be written where, and how it is looked at afterwards.

    `checkpoint` is `best`, `last` or a step. `weights` is the type of the written weights (None: the target's usual
    one); `requantise` gives trained layers of a quantised base its bits again. `check` counts the held-out rows of the
    comparison (0: none), and `force` keeps what the comparison refuses.
    """

    target: ExportTarget
    out: Path
    checkpoint: str = "last"
    weights: WeightType | None = None
    requantise: bool = False
    check: int = CHECK_ROWS
    force: bool = False

    @property
    def facts(self) -> TargetFacts:
        """What is said of its target."""
        return TARGETS[self.target]

    @property
    def type(self) -> WeightType:
        """The type that the weights are written in."""
        return self.weights or self.facts.types[0]


def usual_place(target: ExportTarget, name: str) -> Path:
    """Where a result called `name` (a slug) goes unless someone says: LM Studio's own folder, else the Downloads."""
    if target == "lmstudio":
        older = Path.home() / ".cache" / "lm-studio" / "models"
        newer = Path.home() / ".lmstudio" / "models"
        return (older if older.is_dir() and not newer.is_dir() else newer) / PUBLISHER / name
    downloads = Path.home() / "Downloads"
    return (downloads if downloads.is_dir() else Path.home()) / f"{name}-{target}"
