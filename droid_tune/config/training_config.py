"""How a run goes: its steps, the optimizer, evaluations, checkpoints and memory."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from droid_tune.config.base import Closed, setting
from droid_tune.names import Backward


class TrainingConfig(Closed):
    """How long and in what portions."""

    aliases: ClassVar[dict[str, str]] = {
        "iters": "iterations",
        "grad_accumulation_steps": "gradient_accumulation_steps",
    }

    iterations: int = setting(200, "Steps", ge=1, le=10_000_000)
    """How often the weights are updated."""
    batch_size: int = setting(4, "Prompts per step", ge=1, le=4096)
    """Rows of data per rollout; per update where the model learns from given answers."""
    gradient_accumulation_steps: int = setting(1, "Accumulate", advanced=True, ge=1, le=1024)
    """Batches (rollout slices) gathered into one update."""
    max_seq_length: int = setting(2048, "Longest sequence", unit="tokens", ge=8, le=1_048_576)
    """Prompt and completion together; longer prompts are refused before training."""
    max_grad_norm: float = setting(1.0, "Gradient clip", advanced=True, ge=0)
    """Largest norm of the gradient; 0 is off."""
    seed: int = setting(0, "Seed", ge=0, le=2**31 - 1)
    """The same seed, data and settings give the same run."""
    steps_per_report: int = setting(1, "Report every", advanced=True, unit="steps", ge=1)
    """Steps between points on the curves."""
    stop_at: int = setting(0, "Stop at step", advanced=True, ge=0)
    """Save and stop after this step, to look and then go on; 0 trains to the end."""
    check_products: bool = setting(True, "Check the chip", advanced=True)
    """Before the first step, two seconds at most: the model's own products on the GPU against the CPU."""


class OptimizerConfig(Closed):
    """The optimizer and the path of its learning rate."""

    aliases: ClassVar[dict[str, str]] = {
        "lr": "learning_rate",
        "optimizer": "name",
        "lr_schedule": "schedule",
    }

    name: Literal["adamw", "adam", "adafactor", "lion", "muon"] = setting("adamw", "Optimizer", advanced=True)
    """AdamW suits nearly everything."""
    learning_rate: float | None = setting(None, "Learning rate", gt=0, le=1)
    """Size of a step; empty takes the method's own (SFT 2e-4, others 1e-5; in full a tenth of these)."""
    weight_decay: float = setting(0.0, "Weight decay", advanced=True, ge=0, le=1)
    """Pull of the weights towards zero."""
    beta1: float = setting(0.9, "Beta 1", advanced=True, ge=0, lt=1)
    """Memory of the gradient's mean."""
    beta2: float = setting(0.999, "Beta 2", advanced=True, ge=0, lt=1)
    """Memory of the gradient's square."""
    schedule: Literal["constant", "linear", "cosine"] = setting("linear", "Schedule")
    """How the learning rate falls over the run; a constant one loses the last points of a reinforcement run."""
    warmup_steps: int = setting(0, "Warm-up", advanced=True, unit="steps", ge=0)
    """Steps over which the learning rate rises from 0."""
    final_fraction: float = setting(0.0, "Final share", advanced=True, ge=0, le=1)
    """Where the schedule ends, as a share of the learning rate."""

    @model_validator(mode="after")
    def _decay_acts(self) -> Self:
        if self.name == "adam" and self.weight_decay:
            raise ValueError(
                "`weight_decay` has no effect in adam; use adamw, which is adam with weight decay"
            )
        return self


class EvaluationConfig(Closed):
    """Greedy answers to held-out rows: the honest measure."""

    steps_per_eval: int = setting(50, "Evaluate every", unit="steps", ge=0)
    """Steps between evaluations; 0 only at start and end."""
    rows: int = setting(64, "Held-out rows", ge=0)
    """At most this many rows of the validation split; 0 turns evaluation off."""
    known_to: float = setting(0.0, "Until known to within", advanced=True, ge=0, le=0.5)
    """How well the accuracy is to be known: 0.05 is 5 points either way, at 95 %. Held-out rows are answered in portions until
    it is, in an order of their own; 0 answers all of them each time. The best checkpoint is then the one with the highest lower
    bound. For methods that sample, without an environment.
    """
    at_start: bool = setting(True, "Evaluate before training")
    """Gives the curve its starting point."""
    patience: int = setting(0, "Patience", advanced=True, unit="evaluations", ge=0)
    """Stop early when the held-out result has not become better in so many evaluations; 0 never does."""


class CheckpointConfig(Closed):
    """When the run is saved."""

    save_every: int = setting(50, "Save every", unit="steps", ge=1)
    """Steps between checkpoints; a crash loses at most these."""
    save_minutes: float = setting(5.0, "Save at least every", unit="minutes", advanced=True, ge=0)
    """Slow steps are saved by the clock too: after the first step that ends this long after the last save; 0: never."""
    keep: int = setting(2, "Keep", advanced=True, ge=0)
    """How many checkpoints stay on disk; 0 keeps all."""


class MemoryConfig(Closed):
    """One budget from which the engine chooses its portions."""

    budget_fraction: float = setting(0.75, "Memory budget", ge=0.05, le=0.95)
    """Share of the memory that macOS recommends for the GPU which a run may use."""
    budget_mb: int | None = setting(None, "Memory budget (fixed)", advanced=True, unit="MB", ge=1)
    """An absolute budget instead of the share; empty uses the share."""
    rows_per_decode_batch: int | None = setting(None, "Rows decoded together", advanced=True, ge=1)
    """Empty: chosen from the budget."""
    rows_per_micro_batch: int | None = setting(None, "Rows trained together", advanced=True, ge=1)
    """Empty: chosen from the budget."""
    measure_rows: Literal["auto", "always", "never"] = setting(
        "auto", "Time how many rows are best", advanced=True
    )
    """Before a run a few passes are timed with more and with fewer rows together, once for a model, its work and a machine.
    The quickest number inside the budget is kept; it takes a fiftieth of the run at most, or a minute. Auto: on a GPU;
    on processors it gained up to 16 % of an update for twice the memory. Numbers that are set above are not timed.
    """
    backward: Backward = setting("auto", "Backward pass", advanced=True)
    """How gradients are computed; auto chooses by the budget."""
