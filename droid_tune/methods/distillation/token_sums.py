"""Losses over the tokens of an optimizer step: a plain mean, or the sampled tokens' log-probabilities with weights.

Every loss is a plain sum over rows, so that micro-batches change no number. Padding may hold anything.

Shapes: n rows, T positions, right-padded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mlx.core as mx

from droid_tune.methods.distillation.averages import Sums, TaughtRows
from droid_tune.methods.losses.terms import only


def token_mean(values: mx.array, mask: mx.array, tokens: float) -> tuple[mx.array, Sums]:
    """These rows' share of the mean of `values` (n, T) over the `tokens` scored in one optimizer step (GKD, distillation)."""
    total = only(mask > 0, values).sum()
    return total / max(tokens, 1.0), {"divergence": mx.stop_gradient(total), "taught_tokens": mask.sum()}


def importance_weighted(
    rows: TaughtRows, logprobs: mx.array, *, gamma: float, tokens: float
) -> tuple[mx.array, Sums]:
    """-sum w a log pi / tokens, a the teacher's log-probability minus the rollout's: early tokens weigh up to 1 + gamma.

    w falls along a row with the share of |a| that lies behind (IW-OPD). Without old log-probabilities the current ones,
    detached, stand for the rollout's.
    """
    if rows.teacher_logprobs is None:
        raise ValueError("importance-weighted distillation needs the teacher's log-probabilities")
    valid = rows.mask > 0
    current = only(valid, logprobs)
    old = mx.stop_gradient(current) if rows.old_logprobs is None else only(valid, rows.old_logprobs)
    gap = only(valid, rows.teacher_logprobs) - old
    weights = mx.stop_gradient(early_weights(mx.abs(gap), gamma))
    loss = -(weights * gap * current).sum() / max(tokens, 1.0)
    return loss, {
        "taught_tokens": rows.mask.sum(),
        "advantage": (weights * gap).sum(),
        "abs_advantage": mx.abs(gap).sum(),
        "weight": only(valid, weights).sum(),
        "min_weight": mx.where(valid, weights, mx.inf).min(),
        "max_weight": mx.where(valid, weights, -mx.inf).max(),
    }


def finish_weights(parts: Sequence[Mapping[str, mx.array | float]]) -> dict[str, float]:
    """TRL's metrics of importance-weighted distillation from the sums of its micro-batches."""
    tokens = max(sum(float(part["taught_tokens"]) for part in parts), 1.0)
    means = {"mean_advantage": "advantage", "mean_abs_advantage": "abs_advantage", "mean_weight": "weight"}
    return {
        **{f"iw_opd/{name}": sum(float(part[of]) for part in parts) / tokens for name, of in means.items()},
        "iw_opd/min_weight": min(float(part["min_weight"]) for part in parts),
        "iw_opd/max_weight": max(float(part["max_weight"]) for part in parts),
    }


def early_weights(sizes: mx.array, gamma: float) -> mx.array:
    """1 + gamma (1 - what lies before / the whole) of each row of `sizes` (n, T), none of them negative."""
    before = mx.cumsum(sizes, axis=1) - sizes
    whole = mx.maximum(sizes.sum(axis=1, keepdims=True), 1e-8)
    return 1.0 + gamma * (1.0 - before / whole)
