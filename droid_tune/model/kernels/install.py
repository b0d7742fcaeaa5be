"""The engine's own functions in a model's layers.

SwiGLU and attention that keep less for the backward pass, and attention that reads a shared prompt once. Everything
else, and every attention that they do not know, stays mlx-lm's own.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import mlx.core as mx
from mlx_lm.models import base

from droid_tune.model.kernels import swiglu
from droid_tune.model.kernels.lean_attention import lean_attention, takes
from droid_tune.model.kernels.shared_attention import Shared, attend, shared_prompts
from droid_tune.model.kernels.stand_ins import standing_in

ATTENTION = "scaled_dot_product_attention"
THEIRS = base.scaled_dot_product_attention


@contextmanager
def own_kernels(files: Sequence[ModuleType], *, shared: bool, training: bool = False) -> Generator[None]:
    """Inside, layers from `files` compute with them. `shared`: caches may hand out shared prompts; `training`: a
    gradient is wanted (without one MLX's fused attention is the better)."""
    with ExitStack() as opened:
        opened.enter_context(standing_in(files, swiglu.NAME, swiglu.THEIRS, swiglu.swiglu))
        attention = _trained_attention if training else _attention
        opened.enter_context(standing_in(files, ATTENTION, THEIRS, attention))
        if shared:
            opened.enter_context(shared_prompts())
        yield


def _attention(
    queries: mx.array, keys: Any, values: Any, cache: Any, scale: float, mask: Any, sinks: Any = None
) -> mx.array:
    if not isinstance(keys, Shared):
        return THEIRS(queries, keys, values, cache, scale, mask, sinks)
    if sinks is not None:
        raise TypeError("attention sinks are not part of shared attention")
    return attend(queries, keys, scale)


def _trained_attention(
    queries: mx.array, keys: Any, values: Any, cache: Any, scale: float, mask: Any, sinks: Any = None
) -> mx.array:
    plain = isinstance(keys, mx.array) and sinks is None and not hasattr(cache, "bits")
    if plain and takes(queries, mask):
        return lean_attention(queries, keys, values, scale, mask)
    return _attention(queries, keys, values, cache, scale, mask, sinks)
