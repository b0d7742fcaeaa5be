"""The loss-side metrics under TRL's names: sums per micro-batch on the device, put together on the host.

Shapes: n rows, T positions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import get_args

import mlx.core as mx

from droid_tune.methods.losses.objectives import capped_ratio, implicit_reward, vespo_weight
from droid_tune.methods.losses.spec import LossRows, LossSpec, SliceContext
from droid_tune.methods.losses.terms import Terms
from droid_tune.names import ClippedLoss

#: counts that the means are divided by, and what the adaptive entropy bonus measures
COUNTS = ("tokens", "rows", "bonus_entropy", "bonus_tokens")
LEAST = ("clip_ratio/low_min", "ratio/min", "min_weight")
LARGEST = ("clip_ratio/high_max", "ratio/max", "sampling/logp_difference/max", "max_weight")


def metric_sums(
    spec: LossSpec, context: SliceContext, rows: LossRows, terms: Terms, entropies: mx.array | None
) -> dict[str, mx.array]:
    """Scalars of these rows that combine over a slice: sums, or extremes for the names in LEAST and LARGEST."""
    mask = mx.ones_like(rows.mask) if context.one_column else rows.mask
    sums = {"tokens": mask.sum(), "rows": mx.array(float(mask.shape[0]))}
    if terms.kl is not None:
        sums["kl"] = (terms.kl * mask).sum()
    if terms.drift is not None:
        sums["kl/k1"] = (terms.drift * mask).sum()
    if entropies is not None:
        sums |= _entropy_sums(rows, mask, entropies)
    if rows.old_logprobs is None and rows.sampled_logprobs is not None:
        sums |= _sampler_gap(rows.mask, terms.tokens.logprobs, rows.sampled_logprobs)
    if spec.loss_type != "reinforce":
        sums |= _ratio_sums(terms.tokens.ratio, mask)
    if spec.loss_type in (*get_args(ClippedLoss), "rloo"):
        ratio, high = capped_ratio(spec, terms.tokens.ratio), 1.0 + spec.upper_width
        sums |= _clip_sums(terms, mask, ratio < 1.0 - spec.epsilon, ratio > high)
    elif spec.loss_type == "gmpo":
        moved = terms.tokens.logprobs - terms.tokens.old_logprobs
        sums |= _clip_sums(terms, mask, moved < -spec.epsilon, moved > spec.upper_width)
    elif spec.loss_type == "a2po":
        sums["implicit_reward"] = implicit_reward(spec, terms.tokens).sum()
        sums["advantage"] = terms.tokens.advantages.sum()
    elif spec.loss_type == "cispo":
        capped = (terms.tokens.ratio > spec.upper_width) & (terms.tokens.advantages > 0)
        sums["cispo_clip_ratio"] = _total(capped.astype(mx.float32), mask)
    elif spec.loss_type == "vespo":
        sums["vespo/phi_seq_mean"] = vespo_weight(spec, terms.tokens).sum()
    return {name: mx.stop_gradient(value) for name, value in sums.items()}


def finish_metrics(
    spec: LossSpec, context: SliceContext, parts: Sequence[Mapping[str, mx.array | float]]
) -> dict[str, float]:
    """TRL's metrics of a slice from the sums of its micro-batches.

    A token mean over nothing is 0; an extreme over no row is NaN. `entropy_coef` is the weight in force.
    """
    sums = combined(parts)
    tokens, rows = max(sums.get("tokens", 0.0), 1.0), max(sums.get("rows", 0.0), 1.0)
    metrics: dict[str, float] = {}
    for name, value in sums.items():
        if name in LEAST or name in LARGEST:
            metrics[name] = value if math.isfinite(value) else math.nan
        elif name == "policy_loss":
            metrics[name] = value
        elif name not in COUNTS:
            metrics[name] = value / (rows if _per_row(spec, name) else tokens)
    if context.entropy_coef:
        metrics["entropy_coef"] = context.entropy_coef
    return metrics


def combined(parts: Sequence[Mapping[str, mx.array | float]]) -> dict[str, float]:
    """The sums of several micro-batches as one: added, or the extreme of extremes."""
    if not parts:
        return {}
    values = {name: [float(part[name]) for part in parts] for name in parts[0]}
    return {
        name: min(found) if name in LEAST else max(found) if name in LARGEST else math.fsum(found)
        for name, found in values.items()
    }


def _per_row(spec: LossSpec, name: str) -> bool:
    """Whether a mean is over rows: what has one value per row, (n, 1)."""
    if name in ("vespo/phi_seq_mean", "implicit_reward", "advantage"):
        return True
    of_tokens = ("kl", "kl/k1", "entropy", "sampling/logp_difference/mean")
    return spec.importance_sampling_level in ("sequence", "sequence_sum") and name not in of_tokens


def _entropy_sums(rows: LossRows, mask: mx.array, entropies: mx.array) -> dict[str, mx.array]:
    acting = rows.mask if rows.entropy_mask is None else rows.mask * rows.entropy_mask
    return {
        "entropy": mx.where(mask > 0, entropies, 0.0).sum(),
        "bonus_entropy": mx.where(acting > 0, entropies, 0.0).sum(),
        "bonus_tokens": acting.sum(),
    }


def _sampler_gap(mask: mx.array, logprobs: mx.array, sampled: mx.array) -> dict[str, mx.array]:
    """How far sampler and scorer are apart, in nats: free of charge while the policy is what sampled the rows.

    Once old log-probabilities are needed, the gap to those is measured instead (`correction.sampling_metrics`).
    """
    gap = mx.where((mask > 0) & ~mx.isnan(sampled), mx.abs(logprobs - sampled), 0.0)
    return {"sampling/logp_difference/mean": gap.sum(), "sampling/logp_difference/max": gap.max()}


def _ratio_sums(ratio: mx.array, mask: mx.array) -> dict[str, mx.array]:
    """How far the policy is from what the completions were sampled from; not among TRL's metrics."""
    inside = (
        mx.broadcast_to(mask.max(axis=1, keepdims=True) if ratio.shape[1] == 1 else mask, ratio.shape) > 0
    )
    return {
        "ratio/mean": _total(ratio, mask),
        "ratio/min": mx.where(inside, ratio, mx.inf).min(),
        "ratio/max": mx.where(inside, ratio, -mx.inf).max(),
    }


def _clip_sums(terms: Terms, mask: mx.array, below: mx.array, above: mx.array) -> dict[str, mx.array]:
    """How often the clip decides: below for bad completions, above for good ones."""
    advantages = terms.tokens.advantages
    low = (below & (advantages < 0)).astype(mx.float32)
    high = (above & (advantages > 0)).astype(mx.float32)
    return {
        "clip_ratio/low_mean": _total(low, mask),
        "clip_ratio/high_mean": _total(high, mask),
        "clip_ratio/region_mean": _total(low + high, mask),
        "clip_ratio/low_min": _row_shares(low, mask, mx.inf).min(),
        "clip_ratio/high_max": _row_shares(high, mask, -mx.inf).max(),
    }


def _total(values: mx.array, mask: mx.array) -> mx.array:
    """Sum over tokens, or over rows of what has one value per row."""
    return values.sum() if values.shape[1] == 1 else (values * mask).sum()


def _row_shares(values: mx.array, mask: mx.array, empty: float) -> mx.array:
    """Mean per row (n,); an empty row gives `empty`, the neutral element of the extreme taken next."""
    if values.shape[1] == 1:
        return values[:, 0]
    count = mask.sum(axis=1)
    return mx.where(count > 0, (values * mask).sum(axis=1) / mx.maximum(count, 1.0), empty)
