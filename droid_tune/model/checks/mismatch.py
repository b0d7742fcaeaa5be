"""Where a device's numbers are not those of the CPU: compared with what such a product usually is."""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx
import numpy as np
import numpy.typing as npt

from droid_tune.model.arrays import host_view

Doubles = npt.NDArray[np.float64]

#: largest error, as a share of what a product of such vectors usually is
TOLERANCE = {mx.float32: 4e-3, mx.float16: 2e-2, mx.bfloat16: 6e-2}


@dataclass(frozen=True)
class Mismatch:
    """Where and how far the device is off; `error` is a share of the usual size, `allowed` the largest one."""

    what: str
    found: float
    expected: float
    error: float
    allowed: float

    def sentence(self) -> str:
        """`mlp.up_proj (33 x 4096 by 11008, bfloat16): found 3.2, expected 1.1, ...`"""
        return (
            f"{self.what}: found {self.found:.5g}, expected {self.expected:.5g}, an error of {self.error:.3g} of the "
            f"usual size where {self.allowed:g} is allowed"
        )


def compared(what: str, found: Doubles, expected: Doubles, usual: Doubles, allowed: float) -> Mismatch | None:
    """The worst place, where it is worse than `allowed`; a number that is none always is."""
    error = np.abs(found - expected) / (np.abs(expected) + usual)
    error = np.where(np.isfinite(error), error, np.inf)
    at = np.unravel_index(int(error.argmax()), error.shape)
    if error[at] <= allowed:
        return None
    return Mismatch(what, float(found[at]), float(expected[at]), float(error[at]), allowed)


def usual_size(left: Doubles, right: Doubles) -> Doubles:
    """The usual size of products of rows of `left` (n, k) with rows of `right` (m, k): (n, m)."""
    return (
        np.outer(np.linalg.norm(left, axis=1), np.linalg.norm(right, axis=1)) / left.shape[1] ** 0.5 + 1e-12
    )


def random_values(
    dice: np.random.Generator, shape: tuple[int, ...], dtype: mx.Dtype
) -> tuple[mx.array, Doubles]:
    return rounded(dice.standard_normal(shape), dtype)


def rounded(values: Doubles, dtype: mx.Dtype) -> tuple[mx.array, Doubles]:
    """The values in a type, and what they are in it."""
    array = mx.array(values.astype(np.float32)).astype(dtype, stream=mx.cpu)
    return array, doubles(array)


def doubles(array: mx.array) -> Doubles:
    wide = array.astype(mx.float32, stream=mx.cpu)
    mx.eval(wide)
    return host_view(wide).astype(np.float64)
