"""The engine's own kernels: SwiGLU and attention that keep less for the backward pass, attention that reads a shared
prompt once, recurrences by chunks, adapters in one product with their weights. Every attention that they do not know stays
mlx-lm's own.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import mlx.core as mx

from droid_tune.model.kernels.in_force import PLAIN, Kernels, using
from droid_tune.model.kernels.lean_attention import lean_attention, read_attention, takes
from droid_tune.model.kernels.shared_attention import Shared, attend
from droid_tune.model.kernels.swiglu import swiglu, swiglu_read


def own_kernels(*, shares_prompts: bool = False, training: bool = False) -> AbstractContextManager[None]:
    """Inside, layers that were made to ask (`install`) compute with these kernels.

    `shares_prompts`: prefix caches may hand out shared prompts; `training`: a gradient is wanted (without one MLX's
    fused attention is the better, and on a GPU mlx-lm's kernels for recurrences, which have no derivative).
    """
    attention = _trained_attention if training else _attention
    chunked = training or mx.default_device() == mx.cpu
    return using(
        Kernels(swiglu if training else swiglu_read, attention, shares_prompts, chunked, joins_lora=True)
    )


def _attention(
    queries: mx.array, keys: Any, values: Any, cache: Any, scale: float, mask: Any, sinks: Any = None
) -> mx.array:
    if not isinstance(keys, Shared):
        if sinks is None and not hasattr(cache, "bits") and isinstance(keys, mx.array):
            return read_attention(queries, keys, values, scale, mask)
        return PLAIN.attention(queries, keys, values, cache, scale, mask, sinks)
    if sinks is not None:
        raise TypeError("attention sinks are not part of shared attention")
    return attend(queries, keys, scale, training=False)


def _trained_attention(
    queries: mx.array, keys: Any, values: Any, cache: Any, scale: float, mask: Any, sinks: Any = None
) -> mx.array:
    if sinks is None and isinstance(keys, Shared):
        return attend(queries, keys, scale)
    plain = sinks is None and not hasattr(cache, "bits")
    if plain and isinstance(keys, mx.array) and takes(queries, mask):
        return lean_attention(queries, keys, values, scale, mask)
    return _attention(queries, keys, values, cache, scale, mask, sinks)
