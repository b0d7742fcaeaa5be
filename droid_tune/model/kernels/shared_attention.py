"""Attention that reads a shared prompt once for its whole group.

The rows of a batch lie in S slots of R rows each; the rows of a slot continue the same prompt, whose keys and values
exist once. Scores against the prompt are one matrix product per slot and head; scores against a row's own tokens are
one per row; one softmax runs over both (the first level of "cascade" or "prefix sharing" attention, e.g. Juravsky et
al., arXiv 2402.05099). Memory for keys and values is the prompt's plus what the rows add, not R times the prompt's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import mlx.core as mx

from droid_tune.estimate.memory import BLOCK_WEIGHTS
from droid_tune.model.kernels.few_bits import Held, mean_of, scores_of
from droid_tune.model.kernels.lean_attention import against_keys, from_queries, over_keys
from droid_tune.numerics import exponential


@dataclass(frozen=True)
class Shared:
    """What stands in for a layer's keys (values are None then): the parts that `attend` joins. Those in few bits have no
    derivative."""

    prefix_keys: Held  # (S, H, L, D)
    prefix_values: Held
    own_keys: Held  # (S, H, R, t, D)
    own_values: Held
    prefix_mask: mx.array | None  # broadcastable to (S, H, R, rep, T, L), True where visible
    own_mask: mx.array | None  # broadcastable to (S, H, R, rep, T, t)


def attend(queries: mx.array, shared: Shared, scale: float, *, training: bool = True) -> mx.array:
    """Attention output (n, Hq, T, D) of `queries` (n, Hq, T, D) over a shared prompt and the rows' own tokens.

    `training`: with a derivative that keeps little; without one each token costs half the operations.
    """
    slots, heads, rows, own, width = shared.own_keys.shape
    count, query_heads, steps, _ = queries.shape
    repeats, seen = query_heads // heads, int(shared.prefix_keys.shape[2]) + own
    q = (queries * scale).reshape(slots, rows, heads, repeats * steps, width).transpose(0, 2, 1, 3, 4)
    together = max(1, BLOCK_WEIGHTS // (slots * query_heads * steps * seen))
    parts: list[mx.array] = []
    for span in _spans(rows, together):
        joined = _Joined(shared, repeats, span)
        given = joined.given(q)
        parts.append((joined.differentiable if training else joined.forward)(*given)[0])
    out = parts[0] if len(parts) == 1 else mx.concatenate(parts, axis=2)
    out = out.reshape(slots, heads, rows, repeats, steps, -1)
    return out.transpose(0, 2, 1, 3, 4, 5).reshape(count, query_heads, steps, -1)


def _spans(rows: int, together: int) -> list[slice | None]:
    """The rows of a slot that are read together; None: all of them."""
    if together >= rows:
        return [None]
    return [slice(start, start + together) for start in range(0, rows, together)]


class _Joined:
    """One softmax over both parts without joining them, for some of each slot's rows.

    Its derivative computes the weights once more, so nothing is kept that grows with queries times keys (see
    `lean_attention`).
    """

    def __init__(self, shared: Shared, repeats: int, rows: slice | None) -> None:
        self._shared, self._repeats, self._rows = shared, repeats, rows
        self._prefix_mask, self._own_mask = (
            _of_rows(mask, rows) for mask in (shared.prefix_mask, shared.own_mask)
        )

    def given(self, q: mx.array) -> tuple[Any, ...]:
        """The arguments of `forward`: queries (S, H, R, rep * T, D), and both parts' keys and values."""
        shared, rows = self._shared, self._rows
        keys, values = shared.own_keys, shared.own_values
        if rows is not None:
            q, keys, values = q[:, :, rows], keys[:, :, rows], values[:, :, rows]
        return q, shared.prefix_keys, shared.prefix_values, keys, values

    def differentiable(self, *given: mx.array) -> tuple[mx.array, mx.array]:
        """`forward`, with `backward` for its derivative."""
        joined = cast("Any", mx.custom_function(self.forward))
        joined.vjp(self.backward)
        return cast("tuple[mx.array, mx.array]", joined(*given))

    def forward(
        self,
        q: mx.array,
        prefix_keys: Held,
        prefix_values: Held,
        own_keys: Held,
        own_values: Held,
    ) -> tuple[mx.array, mx.array]:
        """The output (S, H, R, rep * T, D), and each query's log-normaliser."""
        far, near = self._scores(q, prefix_keys, own_keys)
        best = mx.maximum(far.max(axis=-1, keepdims=True), near.max(axis=-1, keepdims=True))
        far, near = _mass(far, best), _mass(near, best)
        total = far.sum(axis=-1, keepdims=True) + near.sum(axis=-1, keepdims=True)
        far, near = far.astype(q.dtype), near.astype(q.dtype)
        out = _share(over_keys(far, prefix_values), mean_of(near, own_values), total)
        return out, best + mx.log(total)

    def backward(
        self, primals: Sequence[mx.array], cotangents: Sequence[mx.array], results: Sequence[mx.array]
    ) -> tuple[mx.array, ...]:
        """The gradient by each argument of `forward`."""
        q, prefix_keys, prefix_values, own_keys, own_values = primals
        (output, normaliser), gradient = results, cotangents[0]
        drift = (gradient * output).sum(axis=-1, keepdims=True)
        far, near = (
            _mass(part, normaliser).astype(q.dtype) for part in self._scores(q, prefix_keys, own_keys)
        )
        by_far = _pull(far, against_keys(gradient, prefix_values), drift)
        by_near = _pull(near, gradient @ own_values.swapaxes(-1, -2), drift)
        return (
            over_keys(by_far, prefix_keys) + by_near @ own_keys,
            from_queries(by_far, q),
            from_queries(far, gradient),
            by_near.swapaxes(-1, -2) @ q,
            near.swapaxes(-1, -2) @ gradient,
        )

    def _scores(self, q: mx.array, prefix_keys: Held, own_keys: Held) -> tuple[mx.array, mx.array]:
        far, near = against_keys(q, prefix_keys), scores_of(q, own_keys)
        return self._masked(far, self._prefix_mask), self._masked(near, self._own_mask)

    def _masked(self, part: mx.array, mask: mx.array | None) -> mx.array:
        """`part` (S, H, R, rep * T, keys), -inf where the mask (..., T, keys) hides a key."""
        if mask is None:
            return part
        *before, queries, keys = part.shape
        apart = part.reshape(*before, self._repeats, queries // self._repeats, keys)
        return mx.where(mask, apart, -mx.inf).reshape(part.shape)


@partial(mx.compile, shapeless=True)
def _mass(scores: mx.array, best: mx.array) -> mx.array:
    return exponential(scores - best)


@partial(mx.compile, shapeless=True)
def _share(far: mx.array, near: mx.array, total: mx.array) -> mx.array:
    return ((far + near) / total).astype(far.dtype)


@partial(mx.compile, shapeless=True)
def _pull(weights: mx.array, by_weights: mx.array, drift: mx.array) -> mx.array:
    return weights * (by_weights - drift)


def _of_rows(mask: mx.array | None, rows: slice | None) -> mx.array | None:
    """A mask of some of each slot's rows; one that is the same for all of them stays."""
    if mask is None or rows is None or mask.ndim < 6 or mask.shape[2] == 1:
        return mask
    return mask[:, :, rows]


def in_slots(rows: mx.array, slots: int) -> mx.array:
    """(S * R, H, t, D) as (S, H, R, t, D)."""
    count, heads, steps, width = rows.shape
    return rows.reshape(slots, count // slots, heads, steps, width).transpose(0, 2, 1, 3, 4)
