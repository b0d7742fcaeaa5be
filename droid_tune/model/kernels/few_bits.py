"""Keys and values in few bits: read by products that unpack as they go, written token by token.

Each group of neighbouring numbers of a token's head has its own scale and offset (round to nearest, as `mx.quantize`
does it). Kept so they cost a quarter (4 bits) or half (8 bits) of what bfloat16 does; what is sampled from them differs a
little from what the model says, which the sampler correction is for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import mlx.core as mx

from droid_tune.estimate.cache_bits import group_of, padded_width


@dataclass(frozen=True)
class FewBits:
    """An array (..., D) in `bits` bits: packed numbers (..., P), scales and offsets (..., D / group) along the last axis.

    Its other axes are indexed as an array's are. `width` is D; the rest of the last group is zeros.
    """

    packed: mx.array
    scales: mx.array
    offsets: mx.array
    bits: int
    width: int

    @property
    def arrays(self) -> tuple[mx.array, mx.array, mx.array]:
        """What it is made of."""
        return self.packed, self.scales, self.offsets

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the array it stands for."""
        return (*self.packed.shape[:-1], self.width)

    def each(self, change: Callable[[mx.array], mx.array]) -> FewBits:
        """With `change`, which leaves the last axis alone, made to each of its arrays."""
        packed, scales, offsets = map(change, self.arrays)
        return replace(self, packed=packed, scales=scales, offsets=offsets)

    def __getitem__(self, place: Any) -> FewBits:
        return self.each(lambda array: array[place])

    def under(self, left: mx.array, *, transposed: bool) -> mx.array:
        """`left` times this: (..., n, s) and (..., s, D) to (..., n, D), or (..., n, D) to (..., n, s) `transposed`."""
        left = _padded(left) if transposed else left
        product = mx.quantized_matmul(
            left, *self.arrays, transpose=transposed, group_size=group_of(self.width), bits=self.bits
        )
        return product if transposed else product[..., : self.width]


#: keys or values, whole or in few bits
Held = mx.array | FewBits


def in_bits(array: mx.array, bits: int) -> Held:
    """`array` (..., D) in so many bits; 0 leaves it as it is."""
    if not bits:
        return array
    width = int(array.shape[-1])
    packed, scales, offsets = mx.quantize(_padded(array), group_size=group_of(width), bits=bits)
    return FewBits(packed, scales, offsets, bits, width)


def scores_of(queries: mx.array, keys: Held) -> mx.array:
    """queries (..., n, D) against keys (..., s, D): (..., n, s)."""
    if isinstance(keys, FewBits):
        return keys.under(queries, transposed=True)
    return queries @ keys.swapaxes(-1, -2)


def mean_of(weights: mx.array, values: Held) -> mx.array:
    """Values (..., s, D) added up by weights (..., n, s): (..., n, D)."""
    return values.under(weights, transposed=False) if isinstance(values, FewBits) else weights @ values


def changed(held: Held, change: Callable[[mx.array], mx.array]) -> Held:
    """`held` with `change`, which leaves the last axis alone, made to the arrays that it is made of."""
    return held.each(change) if isinstance(held, FewBits) else change(held)


def write(held: Held, place: Any, new: Held) -> None:
    """Put `new` into `held`, which is of the same kind, at a place that leaves the last axis alone."""
    for array, part in zip(arrays_of(held), arrays_of(new), strict=True):
        array[place] = part


def arrays_of(held: Held) -> tuple[mx.array, ...]:
    """What is to be evaluated."""
    return held.arrays if isinstance(held, FewBits) else (held,)


def _padded(array: mx.array) -> mx.array:
    """`array` (..., D) with zeros behind it, up to whole groups."""
    width = int(array.shape[-1])
    spare = padded_width(width) - width
    return mx.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, spare)]) if spare else array
