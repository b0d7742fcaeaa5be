"""Attention that reads a shared prompt once for its whole group.

The rows of a batch lie in S slots of R rows each; the rows of a slot continue the same prompt, whose keys and values
exist once. Scores against the prompt are one matrix product per slot and head; scores against a row's own tokens are
one per row; one softmax runs over both (the first level of "cascade" or "prefix sharing" attention, e.g. Juravsky et
al., arXiv 2402.05099). Memory for keys and values is the prompt's plus what the rows add, not R times the prompt's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import mlx.core as mx

from droid_tune.estimate.memory import BLOCK_WEIGHTS
from droid_tune.model.kernels.lean_attention import against_keys, from_queries, over_keys
from droid_tune.numerics import exponential


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
    count, query_heads, steps, _ = queries.shape
    repeats, seen = query_heads // heads, int(shared.prefix_keys.shape[2]) + own
    q = (queries * scale).reshape(slots, rows, heads, repeats * steps, width).transpose(0, 2, 1, 3, 4)
    prefix = shared.prefix_keys, shared.prefix_values
    together = max(1, BLOCK_WEIGHTS // (slots * query_heads * steps * seen))
    parts = [
        _joined(shared, repeats, span)(
            q[:, :, span], *prefix, shared.own_keys[:, :, span], shared.own_values[:, :, span]
        )[0]
        for span in (slice(start, start + together) for start in range(0, rows, together))
    ]
    out = mx.concatenate(parts, axis=2).reshape(slots, heads, rows, repeats, steps, -1)
    return out.transpose(0, 2, 1, 3, 4, 5).reshape(count, query_heads, steps, -1)


def _joined(shared: Shared, repeats: int, rows: slice) -> Callable[..., tuple[mx.array, ...]]:
    """One softmax over both parts without joining them, for some of each slot's rows, as a function of scaled queries
    (S, H, R, rep * T, D) and of both parts' keys and values; it gives the output and each query's log-normaliser.

    Its derivative computes the weights once more, so nothing is kept that grows with queries times keys (see
    `lean_attention`).
    """

    prefix_mask, own_mask = _of_rows(shared.prefix_mask, rows), _of_rows(shared.own_mask, rows)

    def scores(q: mx.array, prefix_keys: mx.array, own_keys: mx.array) -> tuple[mx.array, mx.array]:
        far = against_keys(q, prefix_keys)
        near = q @ own_keys.swapaxes(-1, -2)
        return masked(far, prefix_mask), masked(near, own_mask)

    def masked(part: mx.array, mask: mx.array | None) -> mx.array:
        """`part` (S, H, R, rep * T, keys), -inf where the mask (..., T, keys) hides a key."""
        if mask is None:
            return part
        *before, queries, keys = part.shape
        apart = part.reshape(*before, repeats, queries // repeats, keys)
        return mx.where(mask, apart, -mx.inf).reshape(part.shape)

    def forward(
        q: mx.array, prefix_keys: mx.array, prefix_values: mx.array, own_keys: mx.array, own_values: mx.array
    ) -> tuple[mx.array, mx.array]:
        far, near = scores(q, prefix_keys, own_keys)
        best = mx.maximum(far.max(axis=-1, keepdims=True), near.max(axis=-1, keepdims=True))
        far, near = exponential(far - best), exponential(near - best)
        total = far.sum(axis=-1, keepdims=True) + near.sum(axis=-1, keepdims=True)
        far, near = far.astype(q.dtype), near.astype(q.dtype)
        out = over_keys(far, prefix_values) + near @ own_values
        return (out / total).astype(q.dtype), best + mx.log(total)

    def backward(
        primals: Sequence[mx.array], cotangents: Sequence[mx.array], results: Sequence[mx.array]
    ) -> tuple[mx.array, ...]:
        q, prefix_keys, prefix_values, own_keys, own_values = primals
        (output, normaliser), gradient = results, cotangents[0]
        drift = (gradient * output).sum(axis=-1, keepdims=True)
        far, near = (
            exponential(part - normaliser).astype(q.dtype) for part in scores(q, prefix_keys, own_keys)
        )
        by_far = far * (against_keys(gradient, prefix_values) - drift)
        by_near = near * (gradient @ own_values.swapaxes(-1, -2) - drift)
        return (
            over_keys(by_far, prefix_keys) + by_near @ own_keys,
            from_queries(by_far, q),
            from_queries(far, gradient),
            by_near.swapaxes(-1, -2) @ q,
            near.swapaxes(-1, -2) @ gradient,
        )

    joined = cast("Any", mx.custom_function(forward))
    joined.vjp(backward)
    return joined


def _of_rows(mask: mx.array | None, rows: slice) -> mx.array | None:
    """A mask of some of each slot's rows; one that is the same for all of them stays."""
    apart = mask is not None and mask.ndim == 6 and mask.shape[2] > 1
    return mask[:, :, rows] if mask is not None and apart else mask


def in_slots(rows: mx.array, slots: int) -> mx.array:
    """(S * R, H, t, D) as (S, H, R, t, D)."""
    count, heads, steps, width = rows.shape
    return rows.reshape(slots, count // slots, heads, steps, width).transpose(0, 2, 1, 3, 4)
