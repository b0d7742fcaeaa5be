"""Pairs without a reference model: CPO (arXiv 2401.08417), SimPO (arXiv 2405.14734), AlphaPO (arXiv 2501.03884)."""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx

from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import Sums
from droid_tune.methods.losses.pairs.pair_sides import PairSide
from droid_tune.methods.losses.pairs.reference_free import ReferenceFree
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
    found = ReferenceFree(
        "target" if spec.loss_type == "simpo" else spec.loss_type,
        spec.beta,
        spec.simpo_gamma,
        spec.label_smoothing,
        spec.cpo_alpha,
        spec.alpha,
    )
    return found.loss(batch, chosen, rejected, chosen)
