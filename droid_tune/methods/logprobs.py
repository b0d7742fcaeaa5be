"""The definition of a token's log-probability and entropy that everything else is tested against."""

from __future__ import annotations

import mlx.core as mx


def logprobs_and_entropy(
    logits: mx.array, targets: mx.array, temperature: float = 1.0
) -> tuple[mx.array, mx.array]:
    """Log-probability of each target and entropy of each position, both of softmax(logits / temperature), in nats.

    `logits` (..., V) of any float type are taken to float32 first: in half precision the log of a sum over a
    vocabulary loses the digits that ratios are made of. `targets` (...) integer. A temperature
    of 0 (greedy) scores as 1, the model as it is. The model's own head computes the same in chunks.
    """
    scaled = logits.astype(mx.float32) / (temperature or 1.0)
    scores = scaled - mx.logsumexp(scaled, axis=-1, keepdims=True)
    chosen = mx.take_along_axis(scores, targets[..., None], axis=-1)[..., 0]
    probabilities = mx.exp(scores)
    return chosen, -mx.where(probabilities > 0, probabilities * scores, 0.0).sum(axis=-1)
