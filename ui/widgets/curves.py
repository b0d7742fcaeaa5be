"""What a plot needs of a series: few points, smoothed, and which way it goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def bucketed(steps: Floats, values: Floats, buckets: int) -> tuple[Floats, Floats]:
    """At most `2 * buckets` points that show every peak: the least and greatest value of each bucket, in order.

    They are copies, also where all are shown.
    """
    count = len(values)
    if count <= 2 * buckets:
        return steps.copy(), values.copy()
    size = -(-count // buckets)
    starts = np.arange(0, count, size)
    low = np.minimum.reduceat(values, starts)
    high = np.maximum.reduceat(values, starts)
    shown = np.empty(2 * len(starts))
    shown[0::2], shown[1::2] = low, high
    return np.repeat(steps[starts], 2), shown


#: values that one matrix product smooths together
_BLOCK = 64


def smoothed(values: Floats, weight: float) -> Floats:
    """Exponential moving average without the start's pull to zero: each average is over the weights seen so far.

    `weight` in [0, 1) is the share that the past keeps per point.
    """
    return Smoother().of(values, weight)


class Smoother:
    """`smoothed` for a curve that grows: what was averaged once is kept, and only what is new costs anything.

    In blocks of L values, y = w^(1..L) y0 + (1 - w) T x, with T the lower triangle of w's powers: no loop over values.
    """

    def __init__(self) -> None:
        self._weight = 0.0
        self._count = 0
        self._values = np.empty(0)
        self._totals = np.empty(0)  # sums of weighted values; the first `_count` are known
        self._shown = np.empty(0)

    def of(self, values: Floats, weight: float) -> Floats:
        """The averages of `values` (N,): those of the call before, where they are the beginning of these."""
        if weight <= 0 or len(values) < 2:
            return values
        if not self._goes_on(values, weight):
            self._weight, self._count = weight, 0
        self._grow(len(values))
        for start in range(self._count, len(values), 1 << 16):
            self._add(values[start : start + (1 << 16)])
        return self._shown[: self._count]

    def _goes_on(self, values: Floats, weight: float) -> bool:
        known = self._count
        return (
            weight == self._weight
            and known <= len(values)
            and np.array_equal(self._values[:known], values[:known])
        )

    def _grow(self, count: int) -> None:
        if count > len(self._totals):
            for name in ("_values", "_totals", "_shown"):
                grown = np.empty(max(count, 2 * len(self._totals)))
                grown[: self._count] = getattr(self, name)[: self._count]
                setattr(self, name, grown)

    def _add(self, values: Floats) -> None:
        start, count, weight = self._count, len(values), self._weight
        blocks = -(-count // _BLOCK)
        padded = np.zeros((blocks, _BLOCK))
        padded.flat[:count] = values
        powers = weight ** np.arange(_BLOCK + 1)
        within = padded @ _triangle(weight).T  # (blocks, L), each as if nothing had been before it
        before = self._totals[start - 1] if start else 0.0
        carried = np.empty(blocks)
        for block, end in enumerate(within[:, -1].tolist()):
            carried[block] = before
            before = powers[_BLOCK] * before + end
        self._values[start : start + count] = values
        totals = (within + carried[:, None] * powers[1:]).ravel()[:count]
        self._totals[start : start + count] = totals
        self._shown[start : start + count] = totals
        young = min(
            count, max(0, round(math.log(1e-18) / math.log(weight)) - start)
        )  # the others' share is 1
        self._shown[start : start + young] /= 1 - weight ** np.arange(start + 1.0, start + young + 1)
        self._count += count


@lru_cache(maxsize=4)
def _triangle(weight: float) -> Floats:
    """(L, L): what the value of each column adds to the total of each row."""
    steps = np.arange(_BLOCK)[:, None] - np.arange(_BLOCK)
    return np.where(steps >= 0, (1 - weight) * weight ** np.maximum(steps, 0), 0.0)


def band_edges(
    steps: Floats, mean: Floats, spread: Floats, bounds: Sequence[tuple[Floats, Floats]] = ()
) -> tuple[Floats, Floats]:
    """The lower and the upper edge (N,) of the band of mean and spread, within what occurred.

    `bounds` are steps and values of the least and of the greatest value of each step; a step without them, and a
    curve without, keeps to the range of the means.
    """
    least, most = np.full_like(mean, mean.min()), np.full_like(mean, mean.max())
    for edge, (known, values) in zip((least, most), bounds, strict=False):
        place = np.minimum(np.searchsorted(known, steps), len(known) - 1)
        there = known[place] == steps
        edge[there] = values[place][there]
    low = np.minimum(mean, np.maximum(mean - spread, least))
    high = np.maximum(mean, np.minimum(mean + spread, most))
    return low, high


#: values without which nothing is said of where they go
LEAST_FOR_TREND = 4


def trend(values: Floats, span: float | None = None) -> str:
    """Whether the last quarter lies above or below the first, measured by the whole range, `span` where it is known."""
    if len(values) < LEAST_FOR_TREND:
        return "too few values for a trend"
    quarter = max(1, len(values) // 4)
    change = float(values[-quarter:].mean() - values[:quarter].mean())
    if span is None:
        span = float(values.max() - values.min())
    if span == 0 or abs(change) < 0.15 * span:
        return "steady"
    return "rising" if change > 0 else "falling"
