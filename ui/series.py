"""Growing arrays of (step, value), and what a plot needs of them: few points, smoothed, without gaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Series:
    """Values by step, appended one at a time. Steps never fall; a step told again replaces its value."""

    def __init__(self, capacity: int = 64) -> None:
        self._steps: Floats = np.empty(capacity)
        self._values: Floats = np.empty(capacity)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def steps(self) -> Floats:
        return self._steps[: self._length]

    @property
    def values(self) -> Floats:
        return self._values[: self._length]

    @property
    def last(self) -> float | None:
        return float(self._values[self._length - 1]) if self._length else None

    def append(self, step: int, value: float) -> None:
        """Add a value; one at or before the last step first takes back what came after it."""
        if self._length and step <= self._steps[self._length - 1]:
            self.truncate(step - 1)
        if self._length == len(self._steps):
            self._steps = np.concatenate([self._steps, np.empty_like(self._steps)])
            self._values = np.concatenate([self._values, np.empty_like(self._values)])
        self._steps[self._length] = step
        self._values[self._length] = value
        self._length += 1

    def truncate(self, last_step: int) -> None:
        """Forget everything after `last_step` (a resumed run goes on from there)."""
        self._length = int(np.searchsorted(self.steps, last_step, side="right"))

    def at(self, step: float) -> tuple[float, float] | None:
        """The point nearest to a step, for hover values."""
        if not self._length:
            return None
        place = int(np.searchsorted(self.steps, step))
        near = [i for i in (place - 1, place) if 0 <= i < self._length]
        best = min(near, key=lambda i: abs(self._steps[i] - step))
        return float(self._steps[best]), float(self._values[best])


def bucketed(steps: Floats, values: Floats, buckets: int) -> tuple[Floats, Floats]:
    """At most `2 * buckets` points that show every peak: the least and greatest value of each bucket, in order."""
    count = len(values)
    if count <= 2 * buckets:
        return steps, values
    size = -(-count // buckets)
    starts = np.arange(0, count, size)
    low = np.minimum.reduceat(values, starts)
    high = np.maximum.reduceat(values, starts)
    shown = np.empty(2 * len(starts))
    shown[0::2], shown[1::2] = low, high
    return np.repeat(steps[starts], 2), shown


def smoothed(values: Floats, weight: float) -> Floats:
    """Exponential moving average without the start's pull to zero: each average is over the weights seen so far.

    `weight` in [0, 1) is the share that the past keeps per point.
    """
    if weight <= 0 or len(values) < 2:
        return values
    result = np.empty_like(values)
    total = share = 0.0
    for index, value in enumerate(values.tolist()):
        total = weight * total + (1 - weight) * value
        share = weight * share + (1 - weight)
        result[index] = total / share
    return result
