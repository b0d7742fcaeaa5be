"""Group-relative advantages: how much better a completion is than its siblings (GRPO, arXiv 2402.03300).

Everything is computed on the host in float64. In float32 a group of equal rewards is not always
exactly equal after subtracting its mean (eight rewards of 0.3 give an advantage of 3e-4), which would
train on rounding.

Shapes: N completions = P prompts x G per group, groups consecutive; K reward functions.
A reward of NaN means "not applicable" and is left out of every sum, mean and spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.names import Aggregation, ScaleRewards

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

#: a standard deviation up to here is rounding, not a difference in quality
ZERO_SPREAD = 1e-8


@dataclass(frozen=True)
class Advantages:
    """The outcome for one generation batch.

    `values` (N,) float32, or (N, T) where tokens differ; `totals` (N,) the weighted reward of each completion, NaN where no
    function scored it;
    `informative` (P,) groups with at least one advantage other than 0; `metrics` by TRL's names.
    """

    values: NDArray[np.float32]
    totals: Floats
    informative: Bools
    metrics: dict[str, float]
    #: of whole completions (N,), where `values` holds more than these
    whole: NDArray[np.float32] | None = None

    @property
    def of_completions(self) -> NDArray[np.float32]:
        """One number for each completion (N,): where tokens have their own (N, T), the first one's."""
        if self.whole is not None:
            return self.whole
        return self.values if self.values.ndim == 1 else self.values[:, 0]


def compute_advantages(
    rewards: Floats | Sequence[Sequence[float | None]],
    group_size: int,
    *,
    weights: Sequence[float] | None = None,
    scale_rewards: ScaleRewards = "group",
    aggregation: Aggregation = "sum_then_normalize",
    eps: float = 1e-4,
    names: Sequence[str] | None = None,
) -> Advantages:
    """Advantages of a generation batch from its rewards (N, K), groups of `group_size` consecutive rows.

    `eps` is added to the standard deviation (ddof 1), as in TRL; `weights` (K,) default to 1 and
    `names` (K,) to r0, r1, ... `normalize_then_sum` (GDPO) ignores `scale_rewards`.
    Raises ValueError where the shapes do not fit.
    """
    scores = reward_table(rewards)
    count, functions = scores.shape
    if group_size < 1 or count % group_size:
        raise ValueError(f"{count} rewards cannot be cut into groups of {group_size}")
    scale = np.ones(functions) if weights is None else np.asarray(weights, dtype=np.float64)
    if scale.shape != (functions,):
        raise ValueError(f"{functions} reward functions need as many weights, not {scale.size}")
    totals = weighted_totals(scores, scale)
    if aggregation == "normalize_then_sum":
        values, spread = normalize_then_sum(scores, scale, totals, group_size, eps)
    else:
        values, spread = sum_then_normalize(totals, group_size, scale_rewards, eps)
    values = np.nan_to_num(values, nan=0.0).astype(np.float32)
    return Advantages(
        values=values,
        totals=totals,
        informative=(values.reshape(-1, group_size) != 0).any(axis=1),
        metrics=reward_metrics(scores, totals, spread, names),
    )


def reward_table(rewards: Floats | Sequence[Sequence[float | None]]) -> Floats:
    """Rewards as float64 (N, K) with None as NaN."""
    table = np.array(rewards, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(
            f"rewards need one row per completion and one column per function, not {table.shape}"
        )
    return table


def weighted_totals(scores: Floats, weights: Floats | Sequence[float]) -> Floats:
    """The reward of each completion (N,): the sum of its scores (N, K), weighted (K,), over the rewards that applied.

    NaN where none did: such a completion has no reward, which is not a reward of 0.
    """
    weighted = scores * np.asarray(weights, dtype=np.float64)
    return np.where(np.isnan(scores).all(axis=1), np.nan, np.nansum(weighted, axis=1))


def sum_then_normalize(
    totals: Floats, group_size: int, scale_rewards: ScaleRewards, eps: float
) -> tuple[Floats, Floats]:
    """Reward minus its group's mean, over the spread of the group, of the batch, or over nothing.

    Returns advantages (N,) and the spread (N,) that TRL's `frac_reward_zero_std` counts.
    "batch" keeps the group's mean and takes the whole batch's spread; "none" is Dr. GRPO.
    """
    grouped = totals.reshape(-1, group_size)
    own = np.broadcast_to(sample_std(grouped, axis=1), grouped.shape)
    whole = np.broadcast_to(sample_std(totals.reshape(1, -1), axis=1), grouped.shape)
    centred = np.where(own <= ZERO_SPREAD, 0.0, grouped - sample_mean(grouped, axis=1))
    spread = whole if scale_rewards == "batch" else own
    divisor = np.ones_like(spread) if scale_rewards == "none" else spread + eps
    return (centred / divisor).ravel(), spread.ravel()


def normalize_then_sum(
    scores: Floats, weights: Floats, totals: Floats, group_size: int, eps: float
) -> tuple[Floats, Floats]:
    """GDPO (arXiv 2601.05242): each function is normalised within the group before they are added.

    The sum is normalised once more over the batch, so that the number of functions does not change the
    size of the update. Returns advantages (N,) and the batch's spread, repeated (N,).
    """
    grouped = scores.reshape(-1, group_size, scores.shape[1])  # (P, G, K)
    spread = sample_std(grouped, axis=1)
    centred = np.where(spread <= ZERO_SPREAD, 0.0, grouped - sample_mean(grouped, axis=1))
    normal = (centred / (spread + eps)).reshape(scores.shape)
    summed = np.where(np.isnan(totals), np.nan, np.nansum(normal * weights, axis=1))[None]  # (1, N)
    whole = np.broadcast_to(sample_std(summed, axis=1), summed.shape)
    centred = summed - sample_mean(summed, axis=1)
    centred = np.where(
        np.abs(centred) <= ZERO_SPREAD, 0.0, centred
    )  # so that a flat group stays at exactly 0
    return (centred / (whole + eps))[0], whole[0]


def sample_mean(values: Floats, axis: int) -> Floats:
    """Mean of what is not NaN along `axis` (kept), NaN where there is nothing."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis, keepdims=True)
    total = np.where(known, values, 0.0).sum(axis=axis, keepdims=True)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def sample_std(values: Floats, axis: int) -> Floats:
    """Standard deviation with ddof 1 of what is not NaN along `axis` (kept).

    NaN where fewer than two values are known, but 0 along an axis of length 1: a group of one
    has no spread, whereas a group with one scorable completion has an unknown one (TRL).
    """
    if values.shape[axis] == 1:
        return np.zeros_like(sample_mean(values, axis))
    count = (~np.isnan(values)).sum(axis=axis, keepdims=True)
    squares = np.nansum((values - sample_mean(values, axis)) ** 2, axis=axis, keepdims=True)
    return np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)


def reward_metrics(
    scores: Floats, totals: Floats, spread: Floats, names: Sequence[str] | None = None
) -> dict[str, float]:
    """TRL's reward statistics: `rewards/<f>/{mean,std}`, `reward`, `reward_std`, `frac_reward_zero_std`.

    A statistic over nothing is NaN; a group whose spread is unknown does not count as flat.
    """
    labels = [f"r{k}" for k in range(scores.shape[1])] if names is None else list(names)
    metrics: dict[str, float] = {}
    for label, column in zip(labels, scores.T, strict=True):
        metrics[f"rewards/{label}/mean"] = sample_mean(column, axis=0).item()
        metrics[f"rewards/{label}/std"] = _logged_std(column)
    metrics["reward"] = sample_mean(totals, axis=0).item()
    metrics["reward_std"] = _logged_std(totals)
    metrics["frac_reward_zero_std"] = float(np.mean(spread <= ZERO_SPREAD))
    return metrics


def _logged_std(values: Floats) -> float:
    """The spread of a logged column; of a single value it is unknown."""
    return sample_std(values, axis=0).item() if values.size > 1 else float("nan")
