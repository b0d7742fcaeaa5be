"""One update: what was gathered is clipped and applied, unless it is no number or has nothing to teach."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import mlx.core as mx

from droid_tune.events import finite
from droid_tune.machine.pressure import LEVELS
from droid_tune.model.reference import ReferencePolicy
from droid_tune.train.learners.learner import Gathered
from droid_tune.train.steering.memory_guard import Reading
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.optimizer import clip_to_norm, optimizer_tensors, set_learning_rate

WhyNot = Literal["", "no_signal", "non_finite"]


def why_not(gathered: Gathered, norm: float) -> WhyNot:
    """Why an update must not be applied; empty where it is to be."""
    if not (math.isfinite(gathered.loss) and math.isfinite(norm)):
        return "non_finite"
    return "" if gathered.signal else "no_signal"


@dataclass(frozen=True)
class Updater:
    """Moves the weights of a session's policy, and its reference after them."""

    session: TrainingSession
    optimizer: Any
    reference: ReferencePolicy

    def apply(self, gathered: Gathered, norm: mx.array, rate: float, step: int) -> None:
        """Clip, update, evaluate once: after this update `step` is whole, and the gradients are used up.

        `norm` is the length of all gradients together (a scalar, not evaluated). No name holds the gradients
        meanwhile, so that each is freed as soon as its weight has moved.
        """
        model = self.session.policy.model
        gradients, gathered.gradients = gathered.gradients, {}
        gradients = clip_to_norm(gradients, norm, self.session.config.training.max_grad_norm)
        set_learning_rate(self.optimizer, rate)
        self.optimizer.update(model, gradients)
        del gradients
        moved = {**self.session.policy.learnt(), **optimizer_tensors(self.optimizer)}
        mx.eval([array for _, array in sorted(moved.items())])  # by name: each weight beside its moments
        self.reference.after_step(step)


def update_metrics(
    gathered: Gathered, norm: float, rate: float, seconds: float, reading: Reading
) -> dict[str, float | None]:
    """An update in numbers by the catalogue's names: None where a value is no number, times in seconds, memory in bytes."""
    tokens = gathered.metrics.get("sampled_tokens", 0.0)
    sampling = gathered.seconds.get("rollout", 0.0)
    metrics: dict[str, float | None] = {
        "loss": finite(gathered.loss),
        **{name: finite(value) for name, value in gathered.metrics.items() if name != "sampled_tokens"},
        "grad_norm": finite(norm),
        "learning_rate": rate,
        "step_time": seconds,
        "memory/active_bytes": float(reading.active),
        "memory/peak_bytes": float(reading.peak),
        "memory/cache_bytes": float(reading.cache),
        "memory/process_bytes": float(reading.process),
        "memory/pressure": float(LEVELS[reading.pressure]),
    }
    if tokens and sampling:
        metrics["tokens_per_second"] = tokens / sampling
    return metrics
