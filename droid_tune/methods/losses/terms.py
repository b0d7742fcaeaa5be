"""A token's policy loss in its parts, with padding made harmless before the first exponential.

Shapes: n rows, T positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import mlx.core as mx

from droid_tune.methods.losses.masks import on_policy_rows
from droid_tune.methods.losses.objectives import LOSSES, ScoredTokens
from droid_tune.methods.losses.ratios import importance_ratio, kl_penalty, row_tokens
from droid_tune.methods.losses.spec import LossRows, LossSpec
from droid_tune.names import LossType, RowLoss


@dataclass(frozen=True)
class Terms:
    """The parts of a token's loss: `loss` (n, T) or (n, 1); where there is a KL term `kl` (n, T), k3 as it is trained on,
    and `drift` (n, T), k1 as it is shown: log policy - log reference (Schulman, joschu.net/blog/kl-approx.html)."""

    tokens: ScoredTokens
    loss: mx.array
    kl: mx.array | None
    drift: mx.array | None = None


def token_terms(spec: LossSpec, rows: LossRows, logprobs: mx.array, valid: mx.array) -> Terms:
    """The per-token loss in its parts: objective, its gates, then the KL term, which no gate touches."""
    current = only(valid, logprobs)
    old = mx.stop_gradient(current) if rows.old_logprobs is None else only(valid, rows.old_logprobs)
    advantages = rows.advantages.astype(mx.float32)
    advantages = only(valid, advantages) if advantages.ndim == 2 else advantages[:, None]
    ratio = importance_ratio(spec.importance_sampling_level, current, old, rows.mask)
    sampler_ratio = _sampler_ratio(rows, valid)
    kept = rows.mask if rows.entropy_mask is None else rows.mask * rows.entropy_mask
    reference = None if rows.reference_logprobs is None else only(valid, rows.reference_logprobs)
    tokens = ScoredTokens(ratio, current, old, advantages, rows.mask, sampler_ratio, kept, reference)
    loss = LOSSES[spec.loss_type].objective(spec, tokens)
    if spec.off_policy_mask_threshold is not None:
        behaviour = old if rows.sampled_logprobs is None else only(valid, rows.sampled_logprobs)
        loss = loss * on_policy_rows(
            advantages, current, behaviour, rows.mask, spec.off_policy_mask_threshold
        )
    if rows.entropy_mask is not None and not of_rows(spec.loss_type):
        loss = loss * rows.entropy_mask
    if sampler_ratio is not None and spec.loss_type != "vespo":
        loss = loss * sampler_ratio
    if spec.beta == 0.0:
        return Terms(tokens, loss, None)
    if reference is None:
        raise ValueError("a KL penalty (beta) needs reference log-probabilities")
    kl = kl_penalty(current, reference)
    if of_rows(spec.loss_type):
        added = (kl * rows.mask).sum(axis=1, keepdims=True) / row_tokens(rows.mask)
        return Terms(tokens, loss + spec.beta * added, kl, current - reference)
    if spec.use_bias_correction_kl:
        kl = kl * ratio
    return Terms(tokens, loss + spec.beta * kl, kl, current - reference)


def of_rows(loss_type: LossType) -> bool:
    """Whether a loss is one number a completion: then it is averaged over them, whatever their masks are."""
    return loss_type in get_args(RowLoss)


def only(valid: mx.array, values: mx.array) -> mx.array:
    """`values` in float32 where `valid`, else 0; what stands elsewhere has no influence, nor a gradient."""
    return mx.where(valid, values.astype(mx.float32), 0.0)


def _sampler_ratio(rows: LossRows, valid: mx.array) -> mx.array | None:
    """The sampler's ratio (n, T) or (n, 1), 1 on padding."""
    ratio = rows.sampler_ratio
    if ratio is None or ratio.shape[1] != valid.shape[1]:
        return ratio
    return mx.where(valid, ratio, 1.0)
