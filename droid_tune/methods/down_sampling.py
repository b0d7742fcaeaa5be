"""Which of a group's completions are trained on: the k whose rewards differ the most (PODS, arXiv 2504.13818, section 3.2).

Sampling a completion is cheap beside training on it. Of rewards in order, the subset of the largest variance is some of
the lowest and some of the highest (the paper's Theorem 1), so k + 1 subsets are looked at instead of all.

Shapes: N completions = P prompts x G per group, groups consecutive. A reward of NaN is none: chosen last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def down_sampled(rewards: Floats, group_size: int, kept: int) -> NDArray[np.int64]:
    """Of rewards (N,) the rows (P * kept,) that are trained on, in their order; `kept` at most `group_size`."""
    groups = np.asarray(rewards, np.float64).reshape(-1, group_size)
    chosen = [place * group_size + max_variance_subset(group, kept) for place, group in enumerate(groups)]
    return np.concatenate(chosen)


def max_variance_subset(rewards: Floats, kept: int) -> NDArray[np.int64]:
    """Places (kept,) of the rewards (G,) of the largest variance, in their order; of subsets that are equally wide the one
    with more of the highest.

    Raises ValueError where there are not so many.
    """
    if not 1 <= kept <= len(rewards):
        raise ValueError(f"{kept} of {len(rewards)} completions cannot be kept")
    rewards = np.asarray(rewards, np.float64)
    known = np.flatnonzero(~np.isnan(rewards))
    if len(known) < kept:
        unknown = np.flatnonzero(np.isnan(rewards))
        return np.sort(np.concatenate([known, unknown[: kept - len(known)]]))
    order = known[np.argsort(rewards[known], kind="stable")]
    subsets = [
        np.concatenate([order[: kept - best], order[len(order) - best :]]) for best in range(kept, -1, -1)
    ]
    return np.sort(max(subsets, key=lambda subset: float(np.var(rewards[subset]))))
