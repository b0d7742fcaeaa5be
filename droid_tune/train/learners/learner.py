"""What the loop asks of a way of learning: gradients for one update, and a state that can be saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import mlx.core as mx

from droid_tune.train.evaluate import Evaluated

State = dict[str, Any]
Tensors = dict[str, mx.array]


@dataclass
class Gathered:
    """The gradient of one update and what is reported of it; `seconds` per phase."""

    gradients: dict[str, Any]
    loss: float
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    #: whether anything pulls the weights anywhere; where nothing does, an update would only carry old momentum on
    signal: bool = True


class Learner(Protocol):
    """A way of learning. `gather` may be interrupted (Stopped) at any point: then nothing has changed but
    the learner's own state, which the loop puts back to what `state()` was at the last update."""

    def gather(self, step: int) -> Gathered:
        """Gradients for update number `step` (from 0)."""
        ...

    def after_update(self, step: int) -> None:
        """The weights have changed; `step` updates are done."""
        ...

    def evaluate(self, step: int) -> Evaluated | None:
        """Held-out rows; None where there are none."""
        ...

    @property
    def mid_rollout(self) -> bool:
        """Whether the next update still uses completions that were sampled before."""
        ...

    def settings_changed(self) -> None:
        """The session's config was replaced between two updates: derive anew what was derived from it."""
        ...

    def state(self) -> State:
        """JSON values from which `restore` continues exactly."""
        ...

    def tensors(self) -> Tensors:
        """Arrays that belong to the state; {} where there are none."""
        ...

    def restore(self, state: State, tensors: Tensors) -> None: ...
