"""The few functions that sampler, scorer, loss and golden numbers share: exponential, log-softmax, entropy.

Everything is float32: in half precision the logarithm of a sum over a vocabulary loses the digits that ratios are made
of. Shapes: M tokens, V vocabulary.
"""

from __future__ import annotations

import math
import platform

import mlx.core as mx

#: MLX's exponential for x86 processors takes one number at a time with calls into the C library (12 ns each), its power
#: function a third of that, so 2 ** (x / ln 2) stands in there. The two differ by 1e-7 of their value.
SLOW_EXPONENTIAL = platform.machine().lower() in ("x86_64", "amd64")
TO_BASE_2 = 1 / math.log(2)
#: the least exponent of a normal float32; powers below it are slow, and as good as 0
LEAST_EXPONENT = -126.0
#: in place of -inf, which some models give to ids that are no tokens: 0 x inf would spoil an entropy
LEAST_LOGIT = -1e30


def exponential(values: mx.array) -> mx.array:
    """e ** values, float32; 0 at -inf. It has no derivative where power stands in: whoever uses it brings one."""
    wide = values.astype(mx.float32)
    if SLOW_EXPONENTIAL and mx.default_device() == mx.cpu:
        return mx.power(mx.array(2.0), mx.maximum(wide * TO_BASE_2, LEAST_EXPONENT)) - 2.0**LEAST_EXPONENT
    return mx.exp(wide)


def at_temperature(logits: mx.array, temperature: float) -> mx.array:
    """Finite float32 logits / temperature; at temperature 0 (greedy) a model is scored as it is."""
    return mx.maximum(logits.astype(mx.float32) * (1 / (temperature or 1.0)), LEAST_LOGIT)


def token_logprobs(logits: mx.array, targets: mx.array, temperature: float) -> mx.array:
    """Log softmax(logits / temperature) of `targets` (M,) under `logits` (M, V), in nats; M may be 0."""
    scaled = at_temperature(logits, temperature)
    if not len(targets):  # MLX reduces nothing that is empty
        return mx.zeros((0,))
    chosen = mx.take_along_axis(scaled, targets[:, None], axis=-1)[:, 0]
    return chosen - mx.logsumexp(scaled, axis=-1)


def token_entropies(logits: mx.array, temperature: float) -> mx.array:
    """Entropy of softmax(logits / temperature) in nats, (M,)."""
    scaled = at_temperature(logits, temperature)
    lse = mx.logsumexp(scaled, axis=-1)
    return lse - (mx.exp(scaled - lse[:, None]) * scaled).sum(axis=-1)
