"""What a plot needs of a series: few points, smoothed, and which way it goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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


def trend(values: Floats) -> str:
    """Whether the last quarter lies above or below the first, measured by the whole range."""
    if len(values) < 4:
        return "too few values for a trend"
    quarter = max(1, len(values) // 4)
    change = float(values[-quarter:].mean() - values[:quarter].mean())
    span = float(values.max() - values.min())
    if span == 0 or abs(change) < 0.15 * span:
        return "steady"
    return "rising" if change > 0 else "falling"
