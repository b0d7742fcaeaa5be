"""Which tokens take part in the policy term. None of these masks touches the KL term or a denominator."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.methods.losses.ratios import row_tokens


def top_entropy_mask(
    entropies: NDArray[np.floating[Any]], mask: NDArray[Any], keep_fraction: float
) -> NDArray[np.bool_] | None:
    """The `keep_fraction` of a slice's tokens with the highest entropy (B, T); None keeps all (arXiv 2506.01939).

    The threshold is one linearly interpolated quantile over all valid tokens of the slice, not per row;
    a token on it is kept, so 0 keeps the maximum. It is taken once on the host and handed to every
    micro-batch, because a second forward pass may round differently.
    """
    if keep_fraction >= 1.0:
        return None
    valid = mask > 0
    if not valid.any():
        return np.zeros(valid.shape, dtype=np.bool_)
    known = entropies.astype(np.float32)
    threshold = np.quantile(known[valid].astype(np.float64), 1.0 - keep_fraction).astype(np.float32)
    return np.where(valid, known, -np.inf) >= threshold


def on_policy_rows(
    advantages: mx.array, logprobs: mx.array, behaviour_logprobs: mx.array, mask: mx.array, threshold: float
) -> mx.array:
    """Rows that stay in (n, 1): good ones, and bad ones the model has not drifted away from (DeepSeek-V3.2).

    Drift is the mean over tokens of `behaviour_logprobs` - log pi, in nats; advantages are (n, 1).
    """
    drift = (behaviour_logprobs - mx.stop_gradient(logprobs)) * mask
    mean_drift = drift.sum(axis=1, keepdims=True) / row_tokens(mask)
    return mx.logical_or(advantages >= 0, mean_drift <= threshold).astype(mx.float32)
