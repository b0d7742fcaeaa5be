"""DPO and its relatives: the losses of pairs, weighed and added, with a likelihood term where asked."""

from __future__ import annotations

import mlx.core as mx

from droid_tune.methods.losses.pairs.dpo_objectives import DPO_LOSSES, ComparedPairs, DPOSpec
from droid_tune.methods.losses.pairs.f_divergences import F_DIVERGENCES
from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import Sums, likelihood_sums, pair_sums
from droid_tune.methods.losses.pairs.pair_sides import PairSide, answer_sums, shared_length
from droid_tune.methods.losses.terms import only


def dpo_loss(
    spec: DPOSpec, batch: PairBatch, chosen: PairSide, rejected: PairSide, weights: mx.array | None = None
) -> tuple[mx.array, Sums]:
    """These pairs' share of the batch's loss, and sums to report. `weights` (n,): WPO's, see `on_policy_weights`."""
    pairs = compared(spec, chosen, rejected)
    total = mx.array(0.0)
    sums: Sums = {}
    for name, weight in spec.weighted:
        if name == "sft":
            each, count = -only(chosen.mask > 0, chosen.logprobs).sum(axis=1), batch.likelihood_tokens
            sums |= likelihood_sums(each)
        else:
            each, count = DPO_LOSSES[name](spec, pairs), batch.pairs
        each = each if weights is None else each * weights
        total = total + weight * each.sum() / max(count, 1.0)
    sums |= pair_sums(
        rewards=(spec.beta * pairs.chosen, spec.beta * pairs.rejected),
        logprobs=(pairs.policy_chosen, pairs.policy_rejected),
        sides=(chosen, rejected),
    )
    return total, sums


def compared(spec: DPOSpec, chosen: PairSide, rejected: PairSide) -> ComparedPairs:
    """The pairs as the objectives look at them."""
    assert chosen.reference is not None
    assert rejected.reference is not None
    shared = None if spec.ld_alpha is None else shared_length(chosen.mask, rejected.mask)
    own = [
        answer_sums(side.logprobs, side.mask, ld_alpha=spec.ld_alpha, shared=shared)
        for side in (chosen, rejected)
    ]
    divergence, alpha = F_DIVERGENCES[spec.f_divergence_type], spec.f_alpha_divergence_coef
    return ComparedPairs(
        policy_chosen=own[0],
        policy_rejected=own[1],
        reference_chosen=chosen.reference,
        reference_rejected=rejected.reference,
        score_chosen=divergence(own[0] - chosen.reference, alpha),
        score_rejected=divergence(own[1] - rejected.reference, alpha),
        tokens_chosen=chosen.tokens,
        tokens_rejected=rejected.tokens,
    )


def on_policy_weights(logprobs: mx.array, collisions: mx.array, mask: mx.array) -> mx.array:
    """How much each answer is the policy's own, (n,), without gradient (WPO, arXiv 2406.11827).

    `collisions` (n, T) is log sum p^2 over the vocabulary: the weight of a token is 1 where it is as likely as what the
    policy would sample.
    """
    valid = mask > 0
    surplus = only(valid, logprobs) - only(valid, collisions)
    count = mx.maximum(valid.sum(axis=1).astype(mx.float32), 1.0)
    return mx.stop_gradient(mx.exp(surplus.sum(axis=1) / count))
