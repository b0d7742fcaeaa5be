"""BCO (arXiv 2404.04656): a classifier of single answers, its threshold the mean reward of all answers so far."""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import Sums, entropy_sums, verdict_sums
from droid_tune.methods.losses.pairs.pair_sides import PairSide, log_sigmoid


@dataclass(frozen=True)
class RunningMean:
    """The mean of `count` numbers."""

    mean: float = 0.0
    count: float = 0.0

    def including(self, values: NDArray[np.floating]) -> RunningMean:
        """With further numbers (n,)."""
        count = self.count + len(values)
        share = len(values) / count
        return RunningMean(self.mean + (float(np.mean(values, dtype=np.float64)) - self.mean) * share, count)


def bco_loss(
    beta: float, batch: PairBatch, answers: PairSide, desirable: mx.array, threshold: float
) -> tuple[mx.array, Sums]:
    """These rows' share of the batch's loss, and sums to report.

    `desirable` (n,) is 1 or 0; `threshold` is the running mean of the rewards, this batch's included.
    """
    assert answers.reference is not None
    rewards = beta * (answers.sums - answers.reference)
    good = desirable > 0
    each = mx.where(good, -log_sigmoid(rewards - threshold), -log_sigmoid(threshold - rewards))
    sums = verdict_sums(rewards, answers.sums, good.astype(mx.float32))
    return each.sum() / max(batch.pairs, 1.0), sums | entropy_sums(answers)
