"""ORPO (arXiv 2403.07691): likelihood of the chosen answers, and the odds against the rejected ones; no reference."""

from __future__ import annotations

import mlx.core as mx

from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import Sums, likelihood_sums, pair_sums
from droid_tune.methods.losses.pairs.pair_sides import PairSide, log_sigmoid
from droid_tune.methods.losses.terms import only


def orpo_loss(
    beta: float, batch: PairBatch, chosen: PairSide, rejected: PairSide, read: mx.array
) -> tuple[mx.array, Sums]:
    """These pairs' share of the batch's loss, and sums to report.

    `read` (n, T) is 1 on the chosen rows' prompt tokens, all but the first: their likelihood is learnt too.
    """
    odds = log_odds(chosen.means) - log_odds(rejected.means)
    ratio = log_sigmoid(odds)
    negative = -only((read > 0) | (chosen.mask > 0), chosen.logprobs).sum(axis=1)
    total = negative.sum() / max(batch.likelihood_tokens, 1.0) - beta * ratio.sum() / max(batch.pairs, 1.0)
    sums = pair_sums(
        rewards=(beta * chosen.means, beta * rejected.means),
        logprobs=(chosen.means, rejected.means),
        sides=(chosen, rejected),
    )
    told = {"log_odds_ratio": ratio.sum(), "log_odds_chosen": odds.sum()}
    return total, sums | likelihood_sums(negative) | {n: mx.stop_gradient(v) for n, v in told.items()}


def log_odds(mean_logprobs: mx.array) -> mx.array:
    """log(p / (1 - p)) of the geometric mean p of an answer's tokens, (n,); bounded where p rounds to 1."""
    bounded = mx.minimum(mean_logprobs, -1e-7)
    return bounded - mx.log(-mx.expm1(bounded))
