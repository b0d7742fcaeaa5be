"""Whether two ways of computing the same thing agree."""

from __future__ import annotations

import mlx.core as mx

from droid_tune.model.arrays import number


def close(found: mx.array, expected: mx.array) -> bool:
    """Whether two results agree as well as their number format can."""
    if found.shape != expected.shape:
        return False
    tolerance = 2e-4 if found.dtype == mx.float32 else 6e-2
    wide, reference = found.astype(mx.float32), expected.astype(mx.float32)
    error = number(mx.abs(wide - reference).max())
    return error <= tolerance * number(mx.abs(reference).max() + 1e-6)
