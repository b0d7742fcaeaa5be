"""The few functions that sampler, scorer, loss and golden numbers share: exponential, log-softmax, entropy.

Everything is float32: in half precision the logarithm of a sum over a vocabulary loses the digits that ratios are made
of. Shapes: M tokens, V vocabulary.
"""

from __future__ import annotations

import math
import platform
from functools import partial

import mlx.core as mx

#: MLX's exponential for x86 processors takes one number at a time with calls into the C library (12 ns each), its power
#: function a third of that, so 2 ** (x / ln 2) stands in there. The two differ by 1e-7 of their value.
SLOW_EXPONENTIAL = platform.machine().lower() in ("x86_64", "amd64")
TO_BASE_2 = 1 / math.log(2)
#: the least exponent of a normal float32; powers below it are slow, and as good as 0
LEAST_EXPONENT = -126.0
#: in place of -inf, which some models give to ids that are no tokens: 0 x inf would spoil an entropy
LEAST_LOGIT = -1e30
#: e ** -20.8 is a 64th of the least that counts beside 1 in float32
MOST_GROWN = 20.8
#: e ** -33 (5e-15) of a vocabulary's every token is nothing beside 1
MOST_FALLEN = 33.0
#: as below, of e ** (x / 64) from 0 to 33 (1e-8), in as few constants as MLX takes into one kernel; and just below its end
SLOW = (
    9.999999875e-01,
    1.562502925e-02,
    1.220594700e-04,
    6.372261741e-07,
    2.398261906e-09,
    1.001572580e-11,
)
END_OF_SLOW = 1.67468
#: of 1, x, x ** 2, ...: e ** (x / 16), by least squares of the relative error (6e-9) at Chebyshev's points from 0 to 20.8
ROOT = (
    9.999999941e-01,
    6.250004163e-02,
    1.953078254e-03,
    4.070958648e-05,
    6.318851200e-07,
    8.360997964e-09,
    5.920047709e-11,
    1.397277740e-12,
)


def exponentials_are_slow() -> bool:
    """Whether MLX computes where its exponential goes number by number."""
    return SLOW_EXPONENTIAL and mx.default_device() == mx.cpu


def exponential(values: mx.array) -> mx.array:
    """e ** values, float32; 0 at -inf. It has no derivative where power stands in: whoever uses it brings one."""
    wide = values.astype(mx.float32)
    if exponentials_are_slow():
        return mx.power(mx.array(2.0), mx.maximum(wide * TO_BASE_2, LEAST_EXPONENT)) - 2.0**LEAST_EXPONENT
    return mx.exp(wide)


def growing_root(values: mx.array) -> mx.array:
    """e ** (values / 16) for float32 values of at least 0, to 1e-7; those above MOST_GROWN count as that.

    Sums and products alone, which MLX's compiled loops take several numbers at a time: 3 ns each with `sixteenth_power`,
    the power function 5 to 12.
    """
    held = mx.minimum(values, MOST_GROWN)
    parts = [low + high * held for low, high in zip(ROOT[::2], ROOT[1::2], strict=True)]
    square = mx.square(held)
    return (parts[0] + parts[1] * square) + (parts[2] + parts[3] * square) * mx.square(square)


def falling(gaps: mx.array) -> mx.array:
    """e ** -gap for float32 gaps of at least 0; where exponentials are slow to 1e-5 of it, 0 from MOST_FALLEN on, by two kernels.
    Outside of MLX's gradients."""
    return _fallen(_slow_growth(gaps)) if exponentials_are_slow() else mx.exp(-gaps)


@partial(mx.compile, shapeless=True)
def _slow_growth(gaps: mx.array) -> mx.array:
    held = mx.minimum(gaps, MOST_FALLEN)
    low, middle, high = (one + other * held for one, other in zip(SLOW[::2], SLOW[1::2], strict=True))
    square = mx.square(held)
    return low + (middle + high * square) * square


@partial(mx.compile, shapeless=True)
def _fallen(root: mx.array) -> mx.array:
    quarter = mx.square(mx.square(root))
    return mx.where(root > END_OF_SLOW, 0.0, 1 / sixteenth_power(quarter))


def sixteenth_power(root: mx.array) -> mx.array:
    """What `growing_root` is the root of, to 4e-6."""
    return mx.square(mx.square(mx.square(mx.square(root))))


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
