"""What the diagnosis remembers of the metrics that it looks at: where each began, and its last values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean, median, pstdev
from typing import Any

BEGINNING = 5
RECENT = 40

#: nothing measured by the clock: two equal runs must remember the same
WATCHED = (
    "loss",
    "reward",
    "rewards/accuracy/mean",
    "frac_reward_zero_std",
    "kl",
    "kl/k1",
    "entropy",
    "completions/clipped_ratio",
    "completions/mean_length",
    "completions/max_length",
    "clip_ratio/region_mean",
    "entropy_filter/kept",
    "ratio/mean",
    "grad_norm",
    "rewards/margins",
    "logps/chosen",
    "rewards/chosen",
    "rewards/rejected",
    "critic/explained_variance",
    "episodes/valid_calls",
    "episodes/cut_turns",
    "episodes/cut_tokens",
)

State = dict[str, Any]


class History:
    """Values by metric name, oldest first; a step that lacks a metric, or gave no number for it, adds nothing."""

    def __init__(self) -> None:
        self._begun: dict[str, list[float]] = {}
        self._recent: dict[str, list[float]] = {}

    def add(self, metrics: Mapping[str, float | None]) -> None:
        """Notes the watched metrics of a step; what is null is not counted."""
        for name in WATCHED:
            value = metrics.get(name)
            if value is None or not math.isfinite(value):
                continue
            begun = self._begun.setdefault(name, [])
            if len(begun) < BEGINNING:
                begun.append(value)
            recent = self._recent.setdefault(name, [])
            recent.append(value)
            del recent[:-RECENT]

    def last(self, name: str, count: int, *, skip: int = 0) -> list[float] | None:
        """The `count` values before the last `skip`; None where there are not as many."""
        values = self._recent.get(name, [])
        end = len(values) - skip
        return values[end - count : end] if end >= count else None

    def mean(self, name: str, count: int, *, skip: int = 0) -> float | None:
        """Mean of the last `count` values before the newest `skip`; None where there are too few."""
        values = self.last(name, count, skip=skip)
        return fmean(values) if values else None

    def median(self, name: str, count: int, *, skip: int = 0) -> float | None:
        """Median of the last `count` values before the newest `skip`; None where there are too few."""
        values = self.last(name, count, skip=skip)
        return median(values) if values else None

    def spread(self, name: str, count: int) -> float | None:
        """Standard deviation of the last `count` values; None where there are too few."""
        values = self.last(name, count)
        return pstdev(values) if values else None

    def beginning(self, name: str) -> float | None:
        """The mean of the run's first values, once there are enough."""
        values = self._begun.get(name, [])
        return fmean(values) if len(values) == BEGINNING else None

    def state(self) -> State:
        """A copy: the run goes on."""
        return {
            "begun": {name: list(values) for name, values in self._begun.items()},
            "recent": {name: list(values) for name, values in self._recent.items()},
        }

    def restore(self, state: State) -> None:
        """Takes back what `state` gave."""
        self._begun = {name: _numbers(values) for name, values in state["begun"].items()}
        self._recent = {name: _numbers(values) for name, values in state["recent"].items()}


def _numbers(values: list[float | None]) -> list[float]:
    """Without what a checkpoint could not hold."""
    return [value for value in values if value is not None]
