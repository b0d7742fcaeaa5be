"""KTO (arXiv 2402.01306): single answers with a verdict, weighed as people weigh gains and losses."""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import Sums, entropy_sums, verdict_sums
from droid_tune.methods.losses.pairs.pair_sides import PairSide
from droid_tune.names import KTOLoss


@dataclass(frozen=True)
class KTOSpec:
    """The settings of the loss under TRL's names."""

    loss_type: KTOLoss = "kto"
    beta: float = 0.1
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0


def kto_loss(
    spec: KTOSpec, batch: PairBatch, answers: PairSide, desirable: mx.array, divergence: float
) -> tuple[mx.array, Sums]:
    """These rows' share of the batch's loss, and sums to report.

    `desirable` (n,) is 1 or 0; `divergence` is the batch's `kto_divergence`, the point from which both are seen.
    """
    assert answers.reference is not None
    log_ratio = answers.sums - answers.reference
    origin = divergence if spec.loss_type == "kto" else 0.0
    gain = mx.sigmoid(-spec.beta * (log_ratio - origin))
    pain = mx.sigmoid(spec.beta * (log_ratio - origin))
    good = desirable > 0
    each = mx.where(good, spec.desirable_weight * gain, spec.undesirable_weight * pain)
    sums = verdict_sums(spec.beta * log_ratio, answers.sums, good.astype(mx.float32))
    return each.sum() / max(batch.pairs, 1.0), sums | entropy_sums(answers)


def kto_divergence(policy: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """How far the policy is from the reference on answers to other prompts, at least 0: their log-probabilities (n,)."""
    return max(0.0, float(np.mean(np.asarray(policy, np.float64) - np.asarray(reference, np.float64))))


def mismatched(rows: int, batch_size: int) -> NDArray[np.int64]:
    """Whose answer stands behind each row's prompt to estimate the divergence: the row's before it in its batch."""
    order = np.arange(rows)
    batches = (order[start : start + batch_size] for start in range(0, rows, batch_size))
    return np.concatenate([np.roll(batch, 1) for batch in batches]) if rows else order
