"""TPO (arXiv 2405.16681): a pair, and a gold answer whose likelihood is learnt; no reference model."""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx

from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import Sums, likelihood_sums, pair_sums
from droid_tune.methods.losses.pairs.pair_sides import PairSide, smoothed
from droid_tune.names import TPOLoss


@dataclass(frozen=True)
class TPOSpec:
    """The settings of the loss under TRL's names."""

    loss_type: TPOLoss = "sigmoid"
    beta: float = 0.01
    label_smoothing: float = 0.0
    tpo_alpha: float = 1.0
    tpo_l_gamma: float = 0.5


def tpo_loss(
    spec: TPOSpec, batch: PairBatch, chosen: PairSide, rejected: PairSide, gold: PairSide
) -> tuple[mx.array, Sums]:
    """These pairs' share of the batch's loss, and sums to report; likelihood tokens are the gold answers'."""
    per_token = spec.loss_type in ("ipo", "tpo-l")
    logprobs = (chosen.means, rejected.means) if per_token else (chosen.sums, rejected.sums)
    total = _each(spec, logprobs[0] - logprobs[1]).sum() / max(batch.pairs, 1.0)
    negative = -gold.sums if spec.tpo_alpha else mx.zeros_like(gold.sums)
    total = total + spec.tpo_alpha * negative.sum() / max(batch.likelihood_tokens, 1.0)
    sums = pair_sums(
        rewards=(spec.beta * logprobs[0], spec.beta * logprobs[1]),
        logprobs=logprobs,
        sides=(chosen, rejected),
    )
    return total, sums | likelihood_sums(negative)


def _each(spec: TPOSpec, margin: mx.array) -> mx.array:
    """The loss of each pair (n,) from its margin."""
    match spec.loss_type:
        case "tpo-l":
            return smoothed(spec.beta * (margin - spec.tpo_l_gamma / spec.beta), spec.label_smoothing)
        case "hinge":
            return mx.maximum(1.0 - spec.beta * margin, 0.0)
        case "ipo":
            return mx.square(margin - 1.0 / (2.0 * spec.beta))
        case _:
            return smoothed(spec.beta * margin, spec.label_smoothing)
