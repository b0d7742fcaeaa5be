"""The advantages of SDPO's policy term.

Host arrays, float64. Shapes: N completions in groups of G, K reward functions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.methods.advantages import sum_then_normalize
from droid_tune.names import ScaleRewards

Floats = NDArray[np.floating[Any]]


def self_taught_advantages(
    rewards: Floats, group_size: int, scale: ScaleRewards, eps: float = 1e-4
) -> Floats:
    """Reward minus its group's mean over the spread (N,); a completion that no reward judged has earned 0 (TRL).

    Not scaled, TRL still divides by 1 + `eps`.
    """
    values, _ = sum_then_normalize(np.nansum(rewards, axis=1), group_size, scale, eps)
    return values / (1.0 + eps) if scale == "none" else values
