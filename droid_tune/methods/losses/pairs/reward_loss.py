"""The loss of a reward model (Bradley-Terry): the chosen answer's reward above the rejected one's.

As TRL's RewardTrainer has it: -log sigmoid(r_c - r_j - margin), the mean over pairs, and centering (r_c + r_j)^2.
"""

from __future__ import annotations

import mlx.core as mx

from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import Sums, reward_sums
from droid_tune.methods.losses.pairs.pair_sides import log_sigmoid


def reward_loss(
    batch: PairBatch, chosen: mx.array, rejected: mx.array, margins: mx.array, centering: float = 0.0
) -> tuple[mx.array, Sums]:
    """These pairs' share of the batch's loss from rewards (n,) and wanted margins (n,), and sums to report."""
    each = -log_sigmoid(chosen - rejected - margins)
    if centering:
        each = each + centering * mx.square(chosen + rejected)
    both = mx.concatenate([chosen, rejected])
    sums: Sums = {
        **reward_sums(chosen, rejected),
        "rewards/mean": both.sum() / 2,
        "rewards/min": both.min(),
        "rewards/max": both.max(),
    }
    told = {name: mx.stop_gradient(value) for name, value in sums.items()}
    return each.sum() / max(batch.pairs, 1.0), told
