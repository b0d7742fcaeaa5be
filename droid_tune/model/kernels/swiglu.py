"""SwiGLU (Shazeer, arXiv 2002.05202) with a derivative that keeps its two inputs and nothing else.

Traced, its graph keeps the sigmoid and both products besides, each as wide as the layer's widest matrix: a fifth of
all that a layer holds for its backward pass. Here the sigmoid is taken once more instead; forth and back are one
fused kernel each.
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import mlx.core as mx

from droid_tune.numerics import exponential


@partial(mx.compile, shapeless=True)
def _forward(gate: mx.array, up: mx.array) -> mx.array:
    wide = gate.astype(mx.float32)
    return (wide * _sigmoid(wide) * up).astype(up.dtype)


@partial(mx.compile, shapeless=True)
def _backward(gate: mx.array, up: mx.array, gradient: mx.array) -> tuple[mx.array, mx.array]:
    wide = gate.astype(mx.float32)
    share = _sigmoid(wide)
    by_gate = gradient * up * share * (1 + wide * (1 - share))
    return by_gate.astype(gate.dtype), (gradient * wide * share).astype(up.dtype)


def _sigmoid(values: mx.array) -> mx.array:
    return 1 / (1 + exponential(-values))


def _pulled(
    primals: tuple[mx.array, mx.array], cotangent: mx.array, _: mx.array
) -> tuple[mx.array, mx.array]:
    return _backward(*primals, cotangent)


_joined = mx.custom_function(_forward)
cast("Any", _joined).vjp(_pulled)


def swiglu(gate: mx.array, up: mx.array) -> mx.array:
    """silu(gate) * up, of `up`'s type; `gate` and `up` have one shape."""
    return cast("mx.array", _joined(gate, up))
