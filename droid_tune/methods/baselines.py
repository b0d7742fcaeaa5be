"""What a completion's reward is compared with, where it is not its group's mean and spread.

Host arrays, float64. Shapes: N completions = P prompts x G per group, groups consecutive. NaN: no reward judged it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.methods.advantages import (
    ZERO_SPREAD,
    Advantages,
    reward_metrics,
    sample_mean,
    sample_std,
    weighted_totals,
)
from droid_tune.names import Baseline

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Penalty:
    """Log-probabilities under the policy at rollout less those under the reference (N, T), 0 where `mask` is 0 (k1)."""

    log_ratio: Floats
    mask: Floats

    @classmethod
    def of(cls, policy: Floats, reference: Floats, mask: Floats) -> Penalty:
        gap = np.asarray(policy, np.float64) - np.asarray(reference, np.float64)
        return cls(np.where(mask > 0, gap, 0.0), mask)


@dataclass(frozen=True)
class RewardComparison:
    """How rewards (N, K) with `weights` (K,) become advantages: `baseline` and what else RLOO's config has.

    `eps` is added to a spread that divides.
    """

    baseline: Baseline
    group_size: int
    weights: Sequence[float]
    names: Sequence[str]
    bounds: tuple[float, float] | None = None
    beta: float = 0.0
    normalize: bool = False
    eps: float = 1e-4

    def advantages(
        self, scores: Floats, kl: Penalty | None = None, values: Floats | None = None
    ) -> Advantages:
        """Advantages of the batch, of completions (N,) or of their tokens (N, T). `kl` is taken off the reward `beta` times;
        `values` (N,) are A*-PO's.

        Rewards are shown as they are, before bounds and KL; groups without signal as they are compared.
        """
        totals = weighted_totals(scores, self.weights)
        judged = clipped(totals, self.bounds)
        if kl is not None and self.baseline == "batch":
            found = token_advantages(judged, self.beta * kl.log_ratio, kl.mask, self.eps)
        else:
            judged = judged if kl is None else judged - self.beta * kl.log_ratio.sum(axis=1)
            found = self._per_completion(judged, values)
        found = np.nan_to_num(found, nan=0.0).astype(np.float32)
        spread = np.repeat(sample_std(judged.reshape(-1, self.group_size), axis=1), self.group_size)
        moving = (found != 0).reshape(-1, self.group_size, found.size // len(found))
        return Advantages(
            values=found,
            totals=totals,
            informative=moving.any(axis=(1, 2)),
            metrics=reward_metrics(scores, totals, spread, self.names),
        )

    def _per_completion(self, judged: Floats, values: Floats | None) -> Floats:
        if self.baseline == "value":
            return judged - (0.0 if values is None else values)
        if self.baseline == "batch":
            return over_batch(judged, self.eps)
        compare = leave_one_out if self.baseline == "leave_one_out" else over_success_rate
        found = compare(judged, self.group_size)
        return over_batch(found, self.eps) if self.normalize else found


def clipped(totals: Floats, bounds: tuple[float, float] | None) -> Floats:
    """Rewards (N,) held within `bounds` (lowest, highest); None leaves them."""
    return totals if bounds is None else np.clip(totals, bounds[0], bounds[1])


def token_advantages(totals: Floats, penalty: Floats, mask: Floats, eps: float) -> Floats:
    """REINFORCE++'s (N, T): the reward less the penalty from each token on, normalised over all tokens; NaN on padding."""
    ahead = np.flip(np.cumsum(np.flip(penalty, axis=1), axis=1), axis=1)
    earned = np.where(mask > 0, totals[:, None] - ahead, np.nan)
    return over_batch(earned.ravel(), eps).reshape(penalty.shape)


def leave_one_out(totals: Floats, group_size: int) -> Floats:
    """Reward minus the mean of the group's other judged completions (RLOO, arXiv 2402.14740); NaN where there is none."""
    grouped = totals.reshape(-1, group_size)
    known = ~np.isnan(grouped)
    others = known.sum(axis=1, keepdims=True) - 1
    filled = np.where(known, grouped, 0.0)
    rest = (filled.sum(axis=1, keepdims=True) - filled) / np.maximum(others, 1)
    centred = np.where(others > 0, grouped - rest, np.nan)
    return _rounded(centred).ravel()


def over_batch(values: Floats, eps: float) -> Floats:
    """Centred and divided by the spread of the whole generation batch (REINFORCE++, arXiv 2501.03262)."""
    return _rounded(values - sample_mean(values, axis=0)) / (sample_std(values, axis=0) + eps)


def over_success_rate(totals: Floats, group_size: int) -> Floats:
    """(reward - mean) / mean of the group: the gradient of log pass rate, not of the pass rate (MaxRL, arXiv 2602.02710).

    0 where nothing succeeds: for rewards that are not negative.
    """
    grouped = totals.reshape(-1, group_size)
    mean = np.broadcast_to(sample_mean(grouped, axis=1), grouped.shape)
    return np.where(mean > 0, _rounded(grouped - mean) / np.where(mean > 0, mean, 1.0), 0.0 * grouped).ravel()


def optimal_values(rewards: Floats, beta1: float) -> Floats:
    """V* (P,) = beta1 log mean exp(reward / beta1) over n samples of the reference (P, n) (A*-PO, arXiv 2505.20686)."""
    scaled = np.asarray(rewards, np.float64) / beta1
    best = scaled.max(axis=1)
    return beta1 * (best + np.log(np.exp(scaled - best[:, None]).mean(axis=1)))


def _rounded(values: Floats) -> Floats:
    """0 for what is rounding: training on it would be training on nothing."""
    return np.where(np.abs(values) <= ZERO_SPREAD, 0.0, values)
