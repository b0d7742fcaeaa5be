"""SwiGLU (Shazeer, arXiv 2002.05202) with a derivative that keeps its two inputs and nothing else.

Traced, its graph keeps the sigmoid and both products besides, each as wide as the layer's widest matrix: a fifth of
all that a layer holds for its backward pass. Here the sigmoid is taken once more instead; forth and back are one
fused kernel each, but while MLX traces a gradient: then it fuses nothing.
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import mlx.core as mx

from droid_tune.numerics import exponential, exponentials_are_slow, growing_root, sixteenth_power

#: so many numbers are not worth the further kernels of a polynomial: the starter's decode steps of up to 256 rows
FEW_NUMBERS = 2**16


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


@partial(mx.compile, shapeless=True)
def _root(gate: mx.array) -> mx.array:
    return growing_root(mx.abs(gate.astype(mx.float32)))


@partial(mx.compile, shapeless=True)
def _forward_of_root(root: mx.array, gate: mx.array, up: mx.array) -> mx.array:
    wide = gate.astype(mx.float32)
    return (wide * _sigmoid_of_root(root, wide) * up).astype(up.dtype)


@partial(mx.compile, shapeless=True)
def _back_of_root(
    root: mx.array, gate: mx.array, up: mx.array, gradient: mx.array
) -> tuple[mx.array, mx.array, mx.array]:
    share = _sigmoid_of_root(root, gate)
    made = gate * share
    return made * up, gradient * up * (share + made * (1 - share)), gradient * made


def _sigmoid_of_root(root: mx.array, gate: mx.array) -> mx.array:
    """1 / (1 + e ** -gate), of the 16th root of e ** abs(gate)."""
    grown = sixteenth_power(root)
    return mx.where(gate < 0, 1.0, grown) / (1 + grown)


def _pulled(
    primals: tuple[mx.array, mx.array], cotangent: mx.array, _: mx.array
) -> tuple[mx.array, mx.array]:
    return _backward(*primals, cotangent)


_joined = mx.custom_function(_forward)
cast("Any", _joined).vjp(_pulled)


def swiglu(gate: mx.array, up: mx.array) -> mx.array:
    """silu(gate) * up, of `up`'s type; `gate` and `up` have one shape."""
    return cast("mx.array", _joined(gate, up))


def swiglu_read(gate: mx.array, up: mx.array) -> mx.array:
    """The same for many numbers without a derivative, where exponentials are slow: to 4e-6 of it, and where `gate` is below
    -20 to 1e-9 of gate * up."""
    return _forward_of_root(_root(gate), gate, up) if _goes_by_root(gate) else swiglu(gate, up)


def swiglu_back(gate: mx.array, up: mx.array, gradient: mx.array) -> tuple[mx.array, mx.array, mx.array]:
    """silu(gate) * up once more, and the gradients by `gate` and by `up`, all of float32; outside of MLX's gradients."""
    if _goes_by_root(gate):
        return _back_of_root(_root(gate), gate, up, gradient)
    return (_forward(gate, up), *_backward(gate, up, gradient))


def _goes_by_root(gate: mx.array) -> bool:
    return gate.size > FEW_NUMBERS and exponentials_are_slow()
