"""The policy loss of a few rows of a slice, exactly additive over any cut of the slice into rows.

Conventions are TRL 1.16's (ALGORITHMS.md). Everything is float32. Padding may hold anything, NaN
included: it is replaced before the first exponential, so neither the loss nor a gradient sees it.

Shapes: n rows, T positions.
"""

from __future__ import annotations

import mlx.core as mx

from droid_tune.methods.losses.loss_metrics import metric_sums
from droid_tune.methods.losses.normalisers import logged_scale
from droid_tune.methods.losses.objectives import LOSSES
from droid_tune.methods.losses.spec import LossRows, LossSpec, SliceContext
from droid_tune.methods.losses.terms import Terms, of_rows, only, token_terms


def policy_loss(
    spec: LossSpec,
    context: SliceContext,
    rows: LossRows,
    logprobs: mx.array,
    entropies: mx.array | None = None,
) -> tuple[mx.array, dict[str, mx.array]]:
    """The rows' share of their slice's loss (a scalar), and sums for `loss_metrics.finish_metrics`.

    `logprobs` (n, T) are those of softmax(logits / temperature), differentiated; `entropies` (n, T) are needed
    for the entropy bonus and the entropy metric. The slice's loss, already divided for accumulation, is
    the sum over its rows, and so are its gradients.
    """
    rows = rows.narrowed(logprobs.shape[1])
    valid = rows.mask > 0
    terms = token_terms(spec, rows, logprobs, valid)
    normaliser = LOSSES[spec.loss_type].normaliser
    weight = normaliser(context, rows.mask)
    share = weight * terms.loss
    one_a_row = of_rows(spec.loss_type) and terms.loss.shape[1] == 1
    policy = mx.sum(share if one_a_row else mx.where(valid, share, 0.0))
    loss = policy
    if context.entropy_coef:
        if entropies is None:
            raise ValueError("the entropy bonus needs entropies")
        loss = policy - context.entropy_coef * entropy_bonus(context, rows, entropies)
    sums = metric_sums(spec, context, rows, _logged(spec, context, rows, logprobs, terms), entropies)
    sums["policy_loss"] = mx.stop_gradient(policy) * logged_scale(normaliser, context)
    return loss, sums


def entropy_bonus(context: SliceContext, rows: LossRows, entropies: mx.array) -> mx.array:
    """The rows' share of the mean entropy over the tokens that the bonus acts on, divided for accumulation."""
    mask = rows.mask if rows.entropy_mask is None else rows.mask * rows.entropy_mask
    total = only(mask > 0, entropies).sum()
    return total / (max(context.bonus_tokens, 1.0) * context.accumulation)


def _logged(spec: LossSpec, context: SliceContext, rows: LossRows, logprobs: mx.array, terms: Terms) -> Terms:
    """The terms to take metrics of.

    TRL reads a metric over a tensor with T == 1 as one value per row, masked or not; for the
    same numbers the terms are then taken unmasked, without touching the loss.
    """
    if not context.one_column:
        return terms
    return token_terms(spec, rows, mx.stop_gradient(logprobs), mx.ones_like(rows.mask) > 0)
