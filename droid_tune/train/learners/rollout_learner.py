"""What every way of learning from the model's own completions shares: rollouts, their slices, and where a resume goes on.

A rollout is cut into slices (TRL's micro-steps), an update gathers some of them; memory micro-batches inside a slice change
no number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Protocol, Self, TypeVar

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.train.evaluate import Evaluated, evaluate_by_reward
from droid_tune.train.exploring.episode_rewards import SUMS
from droid_tune.train.exploring.experience import SliceCursor
from droid_tune.train.exploring.score import Scorer
from droid_tune.train.learners.learner import Gathered, State, Tensors
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.accumulator import Accumulator, divided


class Sliceable(Protocol):
    """A judged rollout: rows that can be taken, and arrays that bring it back."""

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.int64]) -> Self:
        """The chosen rows."""
        ...

    def to_tensors(self) -> dict[str, mx.array]:
        """Flat arrays for a checkpoint."""
        ...


Lesson = TypeVar("Lesson", bound=Sliceable)


class RolloutLearner(ABC, Generic[Lesson]):
    """Samples rollouts and learns from their slices; how it does either is its own."""

    def __init__(self, session: TrainingSession) -> None:
        method = session.config.method
        assert isinstance(method, SamplingMethodConfig)
        self.session = session
        self.scorer = Scorer(session)
        self.experience: Lesson | None = None
        self.cursor = SliceCursor(0, method.steps_per_generation, method.num_iterations)
        self._group_size = method.learnt_group

    # -- what a way of learning brings -------------------------------------------------------------

    @abstractmethod
    def explore(self, step: int, watch: Stopwatch) -> tuple[Lesson, dict[str, float]]:
        """A rollout, judged, told and prepared for training; and its rollout-side metrics."""

    @abstractmethod
    def learn(
        self, step: int, number: int, part: Lesson, own: NDArray[np.int64], accumulator: Accumulator
    ) -> dict[str, float]:
        """Add the loss and gradient of slice `number`, of whose rows this rank has its `own`; its loss-side metrics."""

    @abstractmethod
    def has_signal(self, part: Lesson) -> bool:
        """Whether a slice pulls the weights anywhere."""

    @abstractmethod
    def settings_changed(self) -> None:
        """Take over what the session's config says now."""

    # -- one update --------------------------------------------------------------------------------

    def gather(self, step: int) -> Gathered:
        """The gradient of `gradient_accumulation_steps` slices, sampling new rollouts when the old are used up."""
        session, world = self.session, self.session.world
        accumulator, watch = Accumulator(), Stopwatch()
        metrics: list[dict[str, float]] = []
        signal = False
        for number in range(session.config.training.gradient_accumulation_steps):
            experience, found = self._open(step, watch)
            metrics += found
            with watch("update"):
                index = self.cursor.take()
                part = experience.take(index)
                signal |= self.has_signal(part)
                own = world.own_places(index // self._group_size)
                metrics.append(self.learn(step, number, part, own, accumulator))
        gradients, loss = world.sum_tree(accumulator.gradients), world.sum_number(accumulator.loss)
        whole = self.whole()
        if whole != 1:
            gradients, loss = divided(gradients, whole), loss / whole
        return Gathered(gradients, loss, _mean_of(metrics), watch.seconds, signal)

    def whole(self) -> float:
        """What the sum over an update's slices is divided by, where it is known only when all were seen."""
        return 1.0

    def _open(self, step: int, watch: Stopwatch) -> tuple[Lesson, list[dict[str, float]]]:
        """The rollout in use, or a new one with its metrics."""
        if self.experience is not None and self.mid_rollout:
            return self.experience, []
        self.experience, found = self.explore(step, watch)
        self.cursor = SliceCursor(len(self.experience), self.cursor.slices, self.cursor.passes)
        return self.experience, [found]

    @property
    def mid_rollout(self) -> bool:
        """Whether slices of a rollout are left to be learnt from."""
        return self.experience is not None and not self.cursor.exhausted

    def after_update(self, step: int) -> None:
        """Nothing moves but the weights."""

    def evaluate(self, step: int) -> Evaluated | None:
        """Held-out rows; None where there are none."""
        return evaluate_by_reward(self.session, self.scorer, step)

    # -- state -------------------------------------------------------------------------------------

    def state(self) -> State:
        """JSON values; `replay` is the next slice of the rollout that is not used up yet."""
        return {
            "batches": self.session.batches.state(),
            "replay": self.cursor.next if self.mid_rollout else None,
        }

    def tensors(self) -> Tensors:
        """The rollout that is not used up yet."""
        return self.experience.to_tensors() if self.experience is not None and self.mid_rollout else {}

    def restore(self, state: State, tensors: Tensors) -> None:
        """Takes back `state`, and an open rollout from its arrays."""
        self.session.batches.restore(state["batches"])
        self.experience = None
        if state["replay"] is not None:
            self.experience = self.revived(tensors)
            slices, passes = self.cursor.slices, self.cursor.passes
            self.cursor = SliceCursor(len(self.experience), slices, passes, int(state["replay"]))

    @abstractmethod
    def revived(self, tensors: Tensors) -> Lesson:
        """A rollout from the arrays of a checkpoint."""


def _mean_of(metrics: list[dict[str, float]]) -> dict[str, float]:
    """Each metric's mean over the slices (or rollouts) that have it; NaN where one of them is NaN alone. What a step has
    taken in all is its sum, as its seconds are."""
    names = dict.fromkeys(name for one in metrics for name in one)
    found = {name: [one[name] for one in metrics if name in one] for name in names}
    return {name: float((np.sum if name in SUMS else np.mean)(values)) for name, values in found.items()}
