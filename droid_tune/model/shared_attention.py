"""Attention that reads a shared prompt once for its whole group.

The rows of a batch lie in S slots of R rows each; the rows of a slot continue the same prompt, whose keys and values
exist once. Scores against the prompt are one matrix product per slot and head; scores against a row's own tokens are
one per row; one softmax runs over both (the first level of "cascade" or "prefix sharing" attention, e.g. Juravsky et
al., arXiv 2402.05099). Memory for keys and values is the prompt's plus what the rows add, not R times the prompt's.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models import base

NAME = "scaled_dot_product_attention"


@dataclass(frozen=True)
class Shared:
    """What stands in for a layer's keys (values are None then): the parts that `attend` joins."""

    prefix_keys: mx.array  # (S, H, L, D)
    prefix_values: mx.array
    own_keys: mx.array  # (S, H, R, t, D)
    own_values: mx.array
    prefix_mask: mx.array | None  # broadcastable to (S, H, R, rep, T, L), True where visible
    own_mask: mx.array | None  # broadcastable to (S, H, R, rep, T, t)


def attend(queries: mx.array, shared: Shared, scale: float) -> mx.array:
    """Attention output (n, Hq, T, D) of `queries` (n, Hq, T, D) over a shared prompt and the rows' own tokens."""
    slots, heads, rows, own, width = shared.own_keys.shape
    length = int(shared.prefix_keys.shape[2])
    count, query_heads, steps, _ = queries.shape
    repeats = query_heads // heads
    q = (queries * scale).reshape(slots, rows, heads, repeats * steps, width).transpose(0, 2, 1, 3, 4)
    flat = q.reshape(slots, heads, -1, width)
    far = (flat @ shared.prefix_keys.swapaxes(-1, -2)).reshape(slots, heads, rows, repeats, steps, length)
    near = (q @ shared.own_keys.swapaxes(-1, -2)).reshape(slots, heads, rows, repeats, steps, own)
    if shared.prefix_mask is not None:
        far = mx.where(shared.prefix_mask, far, -mx.inf)
    if shared.own_mask is not None:
        near = mx.where(shared.own_mask, near, -mx.inf)
    scores = mx.concatenate([far, near], axis=-1).reshape(slots, heads, rows, repeats * steps, length + own)
    weights = mx.softmax(scores, axis=-1, precise=True)
    values_width = int(shared.own_values.shape[-1])
    out = (weights[..., :length].reshape(slots, heads, -1, length) @ shared.prefix_values).reshape(
        slots, heads, rows, repeats * steps, values_width
    ) + weights[..., length:] @ shared.own_values
    out = out.reshape(slots, heads, rows, repeats, steps, values_width).transpose(0, 2, 1, 3, 4, 5)
    return out.reshape(count, query_heads, steps, values_width)


def in_slots(rows: mx.array, slots: int) -> mx.array:
    """(S * R, H, t, D) as (S, H, R, t, D)."""
    count, heads, steps, width = rows.shape
    return rows.reshape(slots, count // slots, heads, steps, width).transpose(0, 2, 1, 3, 4)


#: one entry per `shared_attention` that is open (the engine runs in one thread)
_open: list[None] = []


def accepts_shared() -> bool:
    """Whether a cache may answer with `Shared` now."""
    return bool(_open)


@contextmanager
def shared_attention(model: nn.Module) -> Generator[None]:
    """Inside, `model`'s attention accepts `Shared` keys from its caches; everything else is mlx-lm's own."""
    modules = [
        module
        for module in _modules_of(model)
        if getattr(module, NAME, None) is base.scaled_dot_product_attention
    ]
    for module in modules:
        setattr(module, NAME, _dispatch)
    _open.append(None)
    try:
        yield
    finally:
        _open.pop()
        for module in modules:
            setattr(module, NAME, base.scaled_dot_product_attention)


def _modules_of(model: nn.Module) -> list[Any]:
    names = {type(module).__module__ for module in model.modules()}
    return [sys.modules[name] for name in sorted(names) if name.startswith("mlx_lm.models.")]


def _dispatch(
    queries: mx.array, keys: Any, values: Any, cache: Any, scale: float, mask: Any, sinks: Any = None
) -> mx.array:
    if not isinstance(keys, Shared):
        return base.scaled_dot_product_attention(queries, keys, values, cache, scale, mask, sinks)
    if sinks is not None:
        raise TypeError("attention sinks are not part of shared attention")
    return attend(queries, keys, scale)
