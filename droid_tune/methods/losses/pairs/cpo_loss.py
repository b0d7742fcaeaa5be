"""Pairs without a reference model: CPO (arXiv 2401.08417), SimPO (arXiv 2405.14734), AlphaPO (arXiv 2501.03884)."""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx

from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import Sums, likelihood_sums, pair_sums
from droid_tune.methods.losses.pairs.pair_sides import PairSide, smoothed
from droid_tune.names import CPOLoss


@dataclass(frozen=True)
class CPOSpec:
    """The settings of the loss under TRL's names; the defaults are CPO's. `alpha` is AlphaPO's, 0: off."""

    loss_type: CPOLoss = "sigmoid"
    beta: float = 0.1
    label_smoothing: float = 0.0
    cpo_alpha: float = 1.0
    simpo_gamma: float = 0.5
    alpha: float = 0.0


def cpo_loss(spec: CPOSpec, batch: PairBatch, chosen: PairSide, rejected: PairSide) -> tuple[mx.array, Sums]:
    """These pairs' share of the batch's loss, and sums to report."""
    per_token = spec.loss_type in ("ipo", "simpo")
    logprobs = (chosen.means, rejected.means) if per_token else (chosen.sums, rejected.sums)
    values = [shaped(one, spec.alpha) for one in logprobs]
    total = _each(spec, values[0] - values[1]).sum() / max(batch.pairs, 1.0)
    negative = -chosen.sums if spec.cpo_alpha else mx.zeros_like(chosen.sums)
    total = total + spec.cpo_alpha * negative.sum() / max(batch.likelihood_tokens, 1.0)
    sums = pair_sums(
        rewards=(spec.beta * values[0], spec.beta * values[1]), logprobs=logprobs, sides=(chosen, rejected)
    )
    return total, sums | likelihood_sums(negative)


def _each(spec: CPOSpec, margin: mx.array) -> mx.array:
    """The loss of each pair (n,) from the margin of its values."""
    match spec.loss_type:
        case "simpo":
            return smoothed(spec.beta * (margin - spec.simpo_gamma / spec.beta), spec.label_smoothing)
        case "hinge":
            return mx.maximum(1.0 - spec.beta * margin, 0.0)
        case "ipo":
            return mx.square(margin - 1.0 / (2.0 * spec.beta))
        case _:
            return smoothed(spec.beta * margin, spec.label_smoothing)


def shaped(logprobs: mx.array, alpha: float) -> mx.array:
    """AlphaPO's reward of an answer, (1 - p^-alpha) / alpha, whose limit at 0 is log p: (n,)."""
    return logprobs if alpha == 0 else -mx.expm1(-alpha * logprobs) / alpha
