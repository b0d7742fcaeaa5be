"""Attention that reads a shared prompt once for its whole group.

The rows of a batch lie in S slots of R rows each; the rows of a slot continue the same prompt, whose keys and values
exist once. Scores against the prompt are one matrix product per slot and head; scores against a row's own tokens are
one per row; one softmax runs over both (the first level of "cascade" or "prefix sharing" attention, e.g. Juravsky et
al., arXiv 2402.05099). Memory for keys and values is the prompt's plus what the rows add, not R times the prompt's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import mlx.core as mx
from mlx_lm.models import base

from droid_tune.methods.exponential import exponential
from droid_tune.model.stand_ins import standing_in

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
    slots, heads, rows, _, width = shared.own_keys.shape
    count, query_heads, steps, _ = queries.shape
    q = (queries * scale).reshape(slots, rows, heads, query_heads // heads * steps, width)
    out = _joined(shared, query_heads // heads)(
        q.transpose(0, 2, 1, 3, 4),
        shared.prefix_keys,
        shared.prefix_values,
        shared.own_keys,
        shared.own_values,
    )[0]
    out = out.reshape(slots, heads, rows, query_heads // heads, steps, -1).transpose(0, 2, 1, 3, 4, 5)
    return out.reshape(count, query_heads, steps, -1)


def _joined(shared: Shared, repeats: int) -> Callable[..., tuple[mx.array, ...]]:
    """One softmax over both parts without joining them, as a function of scaled queries (S, H, R, rep * T, D) and of
    both parts' keys and values.

    Its derivative keeps the unnormalised weights of each part, one number per query and key, and nothing else that
    grows with their product (written out by hand: traced, the graph keeps three to four).
    """

    def masked(scores: mx.array, mask: mx.array | None) -> mx.array:
        """`scores` (S, H, R, rep * T, keys), -inf where the mask (..., T, keys) hides a key."""
        if mask is None:
            return scores
        *before, queries, keys = scores.shape
        apart = scores.reshape(*before, repeats, queries // repeats, keys)
        return mx.where(mask, apart, -mx.inf).reshape(scores.shape)

    def forward(
        q: mx.array, prefix_keys: mx.array, prefix_values: mx.array, own_keys: mx.array, own_values: mx.array
    ) -> tuple[mx.array, ...]:
        far = (_flat(q) @ prefix_keys.swapaxes(-1, -2)).reshape(*q.shape[:-1], prefix_keys.shape[2])
        near = q @ own_keys.swapaxes(-1, -2)
        far, near = masked(far, shared.prefix_mask), masked(near, shared.own_mask)
        best = mx.maximum(far.max(axis=-1, keepdims=True), near.max(axis=-1, keepdims=True))
        far, near = exponential(far - best), exponential(near - best)
        total = far.sum(axis=-1, keepdims=True) + near.sum(axis=-1, keepdims=True)
        far, near = far.astype(q.dtype), near.astype(q.dtype)
        out = (_flat(far) @ prefix_values).reshape(*q.shape[:-1], -1) + near @ own_values
        return (out / total).astype(q.dtype), far, near, total

    def backward(
        primals: Sequence[mx.array], cotangents: Sequence[mx.array], outputs: Sequence[mx.array]
    ) -> tuple[mx.array, ...]:
        q, prefix_keys, prefix_values, own_keys, own_values = primals
        out, far, near, total = outputs
        slope = cotangents[0] / total  # by the unnormalised output
        drift = (slope * out).sum(axis=-1, keepdims=True)
        slope, drift = slope.astype(q.dtype), drift.astype(q.dtype)
        by_far = far * ((_flat(slope) @ prefix_values.swapaxes(-1, -2)).reshape(far.shape) - drift)
        by_near = near * (slope @ own_values.swapaxes(-1, -2) - drift)
        return (
            (_flat(by_far) @ prefix_keys).reshape(q.shape) + by_near @ own_keys,
            _flat(by_far).swapaxes(-1, -2) @ _flat(q),
            _flat(far).swapaxes(-1, -2) @ _flat(slope),
            by_near.swapaxes(-1, -2) @ q,
            near.swapaxes(-1, -2) @ slope,
        )

    joined = cast("Any", mx.custom_function(forward))
    joined.vjp(backward)
    return joined


def _flat(rows: mx.array) -> mx.array:
    """(S, H, R, t, D) as (S, H, R * t, D): all queries of a slot against its prompt at once."""
    slots, heads, count, steps, width = rows.shape
    return rows.reshape(slots, heads, count * steps, width)


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
def shared_attention(files: Sequence[ModuleType]) -> Generator[None]:
    """Inside, attention in `files` accepts `Shared` keys from its caches; everything else is mlx-lm's own."""
    _open.append(None)
    try:
        with standing_in(files, NAME, base.scaled_dot_product_attention, _dispatch):
            yield
    finally:
        _open.pop()


def _dispatch(
    queries: mx.array, keys: Any, values: Any, cache: Any, scale: float, mask: Any, sinks: Any = None
) -> mx.array:
    if not isinstance(keys, Shared):
        return base.scaled_dot_product_attention(queries, keys, values, cache, scale, mask, sinks)
    if sinks is not None:
        raise TypeError("attention sinks are not part of shared attention")
    return attend(queries, keys, scale)
