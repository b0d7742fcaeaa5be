"""The exponential function where a step takes it by the hundred million: attention, the head, the draw.

On a GPU it is MLX's own. MLX's kernel for x86 processors takes one number at a time with calls into the C library
(12 ns each), its power function a third of that, so 2 ** (x / ln 2) stands in there. The two differ by 1e-7 of
their value.
"""

from __future__ import annotations

import math
import platform

import mlx.core as mx

SLOW_EXPONENTIAL = platform.machine().lower() in ("x86_64", "amd64")
TO_BASE_2 = 1 / math.log(2)
#: the least exponent of a normal float32; powers below it are slow, and as good as 0
LEAST = -126.0


def exponential(values: mx.array) -> mx.array:
    """e ** values, float32; 0 at -inf. It has no derivative where power stands in: whoever uses it brings one."""
    wide = values.astype(mx.float32)
    if SLOW_EXPONENTIAL and mx.default_device() == mx.cpu:
        return mx.power(mx.array(2.0), mx.maximum(wide * TO_BASE_2, LEAST)) - 2.0**LEAST
    return mx.exp(wide)
