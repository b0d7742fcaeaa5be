"""Sampler importance correction: what to do when the sampler is not quite the model that is trained.

A filter (top-p), a quantised cache or another kernel makes sampled log-probabilities differ from those of
the scoring pass. The policy term can be weighed by exp(scored - sampled), bounded
(truncated importance sampling; TRL's vllm_importance_sampling_mode). Host arrays, float64.

Shapes: N completions, T positions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.names import CorrectionMode

Floats = NDArray[np.floating[Any]]


def sampler_ratio(
    scored: Floats,
    sampled: Floats,
    mask: Floats,
    mode: CorrectionMode = "sequence_mask",
    clip_max: float | None = 3.0,
    clip_min: float | None = None,
) -> Floats:
    """Weights of the policy term: (N, T) per token, or (N, 1) from the sum over each completion's tokens.

    `*_truncate` clamps to [clip_min, clip_max], `*_mask` puts 0 for what lies outside; None leaves a side open.
    A token the sampler could not score (NaN) counts as equal. Padding has weight 1.
    """
    low = -np.inf if clip_min is None else clip_min
    high = np.inf if clip_max is None else clip_max
    gap = _gap(scored, sampled, mask)
    gap = np.where(np.isnan(gap), 0.0, gap)
    if mode.startswith("sequence"):
        gap = gap.sum(axis=1, keepdims=True)
    ratio = np.exp(gap)
    if mode.endswith("truncate"):
        return np.clip(ratio, low, high)
    return np.where((ratio >= low) & (ratio <= high), ratio, 0.0)


def sampling_metrics(
    scored: Floats, sampled: Floats, mask: Floats, ratio: Floats | None = None
) -> dict[str, float]:
    """How far sampler and scorer are apart, in nats, and the weights that follow.

    TRL calls the first `sampling/sampling_logp_difference`.
    Tokens that the sampler could not score are left out; statistics over nothing are 0.
    """
    valid = mask > 0
    gap = np.abs(_gap(scored, sampled, mask))[valid]
    gap = gap[~np.isnan(gap)]
    metrics = {
        "sampling/logp_difference/mean": float(gap.mean()) if gap.size else 0.0,
        "sampling/logp_difference/max": float(gap.max()) if gap.size else 0.0,
    }
    if ratio is not None:
        weights = ratio[valid] if ratio.shape == valid.shape else ratio.ravel()
        for name, reduce in (("min", np.min), ("mean", np.mean), ("max", np.max)):
            metrics[f"sampling/importance_sampling_ratio/{name}"] = (
                float(reduce(weights)) if weights.size else 0.0
            )
    return metrics


def _gap(scored: Floats, sampled: Floats, mask: Floats) -> Floats:
    """Scored minus sampled (N, T) in float64, 0 on padding, NaN where the sampler has no number."""
    return np.where(mask > 0, np.asarray(scored, np.float64) - np.asarray(sampled, np.float64), 0.0)
