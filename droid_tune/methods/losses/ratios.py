"""Probability ratios between the policy and what the completions were sampled from, and the KL estimate.

Shapes: n rows, T positions. Inputs are already quiet (0) where the mask is 0.
"""

from __future__ import annotations

import mlx.core as mx

from droid_tune.names import RatioLevel

#: exp beyond this is no weight but an accident; the bound keeps 0 x inf out of the sums
LARGEST_LOG = 80.0


def bounded_exp(values: mx.array) -> mx.array:
    """exp that stays finite in float32 for whatever a diverged model produces."""
    return mx.exp(mx.clip(values, -LARGEST_LOG, LARGEST_LOG))


def row_tokens(mask: mx.array) -> mx.array:
    """Loss tokens per row (n, 1), at least 1 so that an empty row divides cleanly."""
    return mx.maximum(mask.sum(axis=1, keepdims=True), 1.0)


def importance_ratio(
    level: RatioLevel, logprobs: mx.array, old_logprobs: mx.array, mask: mx.array
) -> mx.array:
    """The ratio pi / pi_old: (n, T) per token, or (n, 1) at sequence level.

    token: GRPO. sequence_sum: RLOO, of the whole completion as it is. sequence: GSPO
    (arXiv 2507.18071), the exponential of the length-normalised mean, through
    which the gradient reaches every token. sequence_token: GSPO-token, the value of the sequence, the
    gradient of the token. none: the value 1 with the gradient of log pi, never a constant.
    """
    log_ratio = logprobs - old_logprobs
    if level == "token":
        return bounded_exp(log_ratio)
    own = logprobs - mx.stop_gradient(logprobs)
    if level == "none":
        return mx.exp(own)
    total = (log_ratio * mask).sum(axis=1, keepdims=True)
    if level == "sequence_sum":
        return bounded_exp(total)
    mean = total / row_tokens(mask)
    if level == "sequence":
        return bounded_exp(mean)
    return bounded_exp(own + mx.stop_gradient(mean))


def kl_penalty(logprobs: mx.array, reference_logprobs: mx.array) -> mx.array:
    """Schulman's k3 estimate of KL(policy || reference) per token (n, T): never negative, unbiased on-policy."""
    gap = reference_logprobs - logprobs
    return bounded_exp(gap) - gap - 1.0
