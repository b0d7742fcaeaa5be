"""Lower-triangular matrices of a chunk, made by halves: the decayed products of its tokens, and an inverse.

A decay between two tokens of a chunk is at most 1, but split at the chunk's start it is a product of something tiny
and something huge, which leave the range of float32 where a gate forgets at once. By halves no exponent is above 0:
what lies between an earlier and a later half is split at the border between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import mlx.core as mx

from droid_tune.numerics import exponential


def _exponential_pulled(_: mx.array, cotangent: mx.array, result: mx.array) -> mx.array:
    return cotangent * result


_decay = mx.custom_function(exponential)
cast("Any", _decay).vjp(_exponential_pulled)


def decay(exponents: mx.array) -> mx.array:
    """e ** exponents (float32, at most 0), with a derivative."""
    return cast("mx.array", _decay(exponents))


def since_start(gates: mx.array, axis: int, *, inclusive: bool = True) -> mx.array:
    """exp of the sum of `gates` from the first token up to each, or up to the one before it (`inclusive` False)."""
    return decay(mx.cumsum(gates, axis=axis, inclusive=inclusive))


def until_end(gates: mx.array, axis: int) -> mx.array:
    """exp of the sum of `gates` behind each token."""
    return decay(mx.cumsum(gates, axis=axis, reverse=True, inclusive=False))


def decay_matrix(gates: mx.array) -> mx.array:
    """exp(g_(j+1) + ... + g_i) for i >= j, else 0: (..., C) to (..., C, C).

    Each sum is made of its own terms: as a difference of two sums from the chunk's start it would lose its digits
    behind one gate that forgets at once.
    """
    size = gates.shape[-1]
    later = mx.tril(mx.ones((size, size), dtype=mx.bool_), -1)
    sums = mx.cumsum(mx.where(later, gates[..., :, None], 0), axis=-2)
    return decay(mx.where(later.swapaxes(0, 1), -mx.inf, sums))


def decayed_products(x: mx.array, y: mx.array, gates: mx.array, inclusive: Sequence[bool]) -> mx.array:
    """sum_d x_id y_jd exp(g_(j+1)d + ... + g_id) for i > j, else 0: (P, ..., C, D) to (P, ..., C, C).

    C is a power of two. `gates` (..., C, D) are the same for all P kinds of x and y; a kind whose `inclusive` is False
    leaves out its own token's g_i.
    """
    size = x.shape[-2]
    if size == 1:
        return mx.zeros((*x.shape[:-2], 1, 1), dtype=x.dtype)
    half = size // 2
    before, behind = gates[..., :half, :], gates[..., half:, :]
    since = {kind: since_start(behind, -2, inclusive=kind) for kind in set(inclusive)}
    later = x[..., half:, :] * mx.stack([since[kind] for kind in inclusive])
    earlier = y[..., :half, :] * until_end(before, -2)
    inner = decayed_products(_halves(x), _halves(y), _halves(gates), inclusive)
    return _joined(inner[..., 0, :, :], later @ earlier.swapaxes(-1, -2), inner[..., 1, :, :])


def _halves(rows: mx.array) -> mx.array:
    """(..., C, D) to (..., 2, C / 2, D)."""
    return mx.unflatten(rows, -2, (2, -1))


def _joined(first: mx.array, below: mx.array, second: mx.array) -> mx.array:
    """[[first, 0], [below, second]]: three times (..., C, C) to (..., 2 C, 2 C)."""
    above = mx.zeros_like(below)
    return mx.concatenate(
        [mx.concatenate([first, above], axis=-1), mx.concatenate([below, second], axis=-1)], axis=-2
    )


def _inverse(lower: mx.array) -> mx.array:
    size = lower.shape[-1]
    if size == 1:
        return mx.ones_like(lower)
    half = size // 2
    blocks = mx.stack([lower[..., :half, :half], lower[..., half:, half:]], axis=-3)
    inverses = _inverse(blocks)
    first, second = inverses[..., 0, :, :], inverses[..., 1, :, :]
    return _joined(first, -(second @ lower[..., half:, :half] @ first), second)


def _inverse_pulled(_: mx.array, cotangent: mx.array, inverse: mx.array) -> mx.array:
    turned = inverse.swapaxes(-1, -2)
    return mx.tril(-(turned @ cotangent @ turned), -1)


_inverted = mx.custom_function(_inverse)
cast("Any", _inverted).vjp(_inverse_pulled)


def inverse_of_unit_lower(lower: mx.array) -> mx.array:
    """(I + lower)^-1 for a strictly lower triangular (..., C, C); C is a power of two.

    Block by block, as one solves forwards. The product (I - L)(I + L^2)(I + L^4)... is the same on paper; its powers
    grow beyond what float32 can take back where a chunk's keys are alike.
    """
    return cast("mx.array", _inverted(lower))
