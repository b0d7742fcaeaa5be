"""TPO (arXiv 2405.16681): a pair, and a gold answer whose likelihood is learnt; no reference model."""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx

from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import Sums
from droid_tune.methods.losses.pairs.pair_sides import PairSide
from droid_tune.methods.losses.pairs.reference_free import ReferenceFree
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
    found = ReferenceFree(
        "target" if spec.loss_type == "tpo-l" else spec.loss_type,
        spec.beta,
        spec.tpo_l_gamma,
        spec.label_smoothing,
        spec.tpo_alpha,
    )
    return found.loss(batch, chosen, rejected, gold)
