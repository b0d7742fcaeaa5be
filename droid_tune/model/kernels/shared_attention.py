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

from droid_tune.model.kernels.few_bits import Held, mean_of, scores_of
from droid_tune.model.kernels.lean_attention import (
    Mask,
    against_keys,
    behind,
    block_weights,
    from_queries,
    in_blocks,
    over_keys,
    read_attention,
)
from droid_tune.model.kernels.undivided_attention import later_keys, shown, slopes_of, weights_of
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
    own_mask: Mask  # broadcastable to (S, H, R, rep, T, t)


def attend(queries: mx.array, shared: Shared, scale: float, *, training: bool = True) -> mx.array:
    """Attention output (n, Hq, T, D) of `queries` (n, Hq, T, D) over a shared prompt and the rows' own tokens.

    `training`: with a derivative that keeps little; without one each token costs half the operations.
    """
    slots, heads, rows, own, width = shared.own_keys.shape
    count, query_heads, steps, _ = queries.shape
    repeats, seen = query_heads // heads, int(shared.prefix_keys.shape[2]) + own
    together = block_weights(training=training) // (slots * query_heads * steps * seen)
    if isinstance(shared.own_mask, str) and steps > 1 and (not together or (training and count == 1)):
        return _long_rows(queries, shared, scale, training=training)
    q = (
        (queries if scale == 1 else queries * scale)
        .reshape(slots, rows, heads, repeats * steps, width)
        .transpose(0, 2, 1, 3, 4)
    )
    masks = shared.prefix_mask, shared.own_mask
    joined = JoinedAttention(*masks, repeats, spans_of(rows, max(1, together)))
    given = q, shared.prefix_keys, shared.prefix_values, shared.own_keys, shared.own_values
    out = (joined.differentiable if training else joined.forward)(*given)[0]
    out = out.reshape(slots, heads, rows, repeats, steps, -1)
    return out.transpose(0, 2, 1, 3, 4, 5).reshape(count, query_heads, steps, -1)


def _long_rows(queries: mx.array, shared: Shared, scale: float, *, training: bool) -> mx.array:
    """Rows whose queries go in blocks, over the prompt's keys and their own in one array, which is kept by no pass."""
    slots, heads, rows, own, _ = shared.own_keys.shape
    far = int(shared.prefix_keys.shape[2])
    grouped, blocks = in_blocks(queries, heads, far + own, scale, "causal")

    def forward(q: mx.array, *parts: mx.array) -> tuple[mx.array, mx.array]:
        return blocks.forward(q, *joined(*parts))

    def backward(primals: Any, cotangents: Any, results: Any) -> tuple[mx.array, ...]:
        q, *parts = primals
        by_queries, *by_whole = blocks.backward((q, *joined(*parts)), cotangents, results)
        apart = [one.reshape(slots, rows, heads, far + own, -1) for one in by_whole]
        by_prefix = (one[..., :far, :].sum(axis=1) for one in apart)
        return by_queries, *by_prefix, *(one[..., far:, :].swapaxes(1, 2) for one in apart)

    def joined(*parts: Any) -> tuple[mx.array, mx.array]:
        prefix_keys, prefix_values, own_keys, own_values = parts
        return _of_each_row(prefix_keys, own_keys), _of_each_row(prefix_values, own_values)

    parts = shared.prefix_keys, shared.prefix_values, shared.own_keys, shared.own_values
    if not training:
        return read_attention(queries, *joined(*parts), scale, "causal")
    attention = cast("Any", mx.custom_function(forward))
    attention.vjp(backward)
    return cast("mx.array", attention(grouped, *parts)[0]).reshape(*queries.shape[:3], -1)


def _of_each_row(far: mx.array, near: mx.array) -> mx.array:
    """The prompts' keys (S, H, L, D) before each row's own (S, H, R, t, D): (S * R, H, L + t, D)."""
    return mx.concatenate([mx.repeat(far, near.shape[2], axis=0), near.swapaxes(1, 2).flatten(0, 1)], axis=2)


def spans_of(rows: int, together: int) -> list[slice | None]:
    """The rows of a slot that are read together; None: all of them."""
    if together >= rows:
        return [None]
    return [slice(start, start + together) for start in range(0, rows, together)]


class JoinedAttention:
    """One softmax over both parts without joining them, for each slot's rows, some at a time.

    Its derivative computes the weights once more, so nothing is kept that grows with queries times keys (see
    `lean_attention`). `fuses`: outside of MLX's gradients, where rows have no mask but the causal one.
    """

    def __init__(
        self,
        prefix_mask: mx.array | None,
        own_mask: Mask,
        repeats: int,
        spans: Sequence[slice | None],
        *,
        fuses: bool = False,
    ) -> None:
        self._prefix_mask, self._own_mask = prefix_mask, own_mask
        self._repeats, self._spans, self._fuses = repeats, spans, fuses

    def differentiable(self, *given: Any) -> tuple[mx.array, mx.array]:
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
        found: list[tuple[mx.array, ...]] = []
        for rows in self._spans:
            asked, keys, values = (_of(part, rows) for part in (q, own_keys, own_values))
            asked = behind(asked, found[-1] if found else ())
            far, near = self._scores(asked, prefix_keys, keys, rows)
            best = mx.maximum(far.max(axis=-1, keepdims=True), self._best(near))
            far, near = self._weights(far, near, best)
            total = far.sum(axis=-1, keepdims=True) + near.sum(axis=-1, keepdims=True)
            far, near = far.astype(q.dtype), near.astype(q.dtype)
            out = _share(over_keys(far, prefix_values), mean_of(near, values), total)
            found.append((out, best + mx.log(total)))
        out, normaliser = _all_rows(found)
        return out, normaliser

    def backward(
        self, primals: Sequence[mx.array], cotangents: Sequence[mx.array], results: Sequence[mx.array]
    ) -> tuple[mx.array, ...]:
        """The gradient by each argument of `forward`."""
        output, normaliser = results
        drift = (cotangents[0] * output).sum(axis=-1, keepdims=True)
        return self.pulled(*primals, normaliser=normaliser, drift=drift, gradient=cotangents[0])

    def pulled(
        self,
        q: mx.array,
        prefix_keys: mx.array,
        prefix_values: mx.array,
        own_keys: mx.array,
        own_values: mx.array,
        *,
        normaliser: mx.array,
        drift: mx.array,
        gradient: mx.array,
    ) -> tuple[mx.array, ...]:
        """The same from what `forward` said of each query, and the sum of its output's products with the `gradient` by it."""
        by_prefix: tuple[mx.array, ...] = ()
        found: list[tuple[mx.array, ...]] = []
        for rows in self._spans:
            parts = (q, own_keys, own_values, normaliser, drift, gradient)
            asked, keys, values, level, moved, by_out = (_of(part, rows) for part in parts)
            asked = behind(asked, (*by_prefix, *(found[-1] if found else ())))
            scores = self._scores(asked, prefix_keys, keys, rows)
            far, near = (part.astype(q.dtype) for part in self._weights(*scores, level))
            by_far = slopes_of(far, against_keys(by_out, prefix_values), moved)
            by_near = slopes_of(near, by_out @ values.swapaxes(-1, -2), moved)
            own = from_queries(by_far, asked), from_queries(far, by_out)
            by_prefix = tuple(a + b for a, b in zip(by_prefix, own, strict=True)) if by_prefix else own
            found.append(
                (
                    over_keys(by_far, prefix_keys) + by_near @ keys,
                    by_near.swapaxes(-1, -2) @ asked,
                    near.swapaxes(-1, -2) @ by_out,
                )
            )
        by_queries, by_keys, by_values = _all_rows(found)
        return by_queries, *by_prefix, by_keys, by_values

    def _scores(
        self, q: mx.array, prefix_keys: Held, own_keys: Held, rows: slice | None
    ) -> tuple[mx.array, mx.array]:
        """Of queries and keys that are some of the rows, of which the masks have all; -inf where a key is hidden by one."""
        far, near = against_keys(q, prefix_keys), scores_of(q, own_keys)
        if self._fuses:
            return far, near
        given = self._own_mask
        own = given if isinstance(given, mx.array | None) else _causal(int(own_keys.shape[-2]))
        return self._masked(far, _of_rows(self._prefix_mask, rows)), self._masked(near, _of_rows(own, rows))

    def _best(self, near: mx.array) -> mx.array:
        seen = shown(near, self._later(near)) if self._fuses else near
        return seen.max(axis=-1, keepdims=True)

    def _weights(self, far: mx.array, near: mx.array, level: mx.array) -> tuple[mx.array, mx.array]:
        """e ** (score - level) of both parts, 0 of what is hidden."""
        if self._fuses:
            return weights_of(far, level), weights_of(near, level, self._later(near))
        return _mass(far, level), _mass(near, level)

    def _later(self, near: mx.array) -> mx.array:
        return later_keys(int(near.shape[-1]), self._repeats)

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


def _of(part: Any, rows: slice | None) -> Any:
    """Some of each slot's rows."""
    return part if rows is None else part[:, :, rows]


def _all_rows(found: Sequence[tuple[mx.array, ...]]) -> tuple[mx.array, ...]:
    """What was found for some rows at a time, for all of them."""
    if len(found) == 1:
        return found[0]
    return tuple(mx.concatenate(list(parts), axis=2) for parts in zip(*found, strict=True))


def _causal(length: int) -> mx.array:
    place = mx.arange(length)
    return place[:, None] >= place[None]


def _of_rows(mask: mx.array | None, rows: slice | None) -> mx.array | None:
    """A mask of some of each slot's rows; one that is the same for all of them stays."""
    if mask is None or rows is None or mask.ndim < 6 or mask.shape[2] == 1:
        return mask
    return mask[:, :, rows]


def in_slots(rows: mx.array, slots: int) -> mx.array:
    """(S * R, H, t, D) as (S, H, R, t, D)."""
    count, heads, steps, width = rows.shape
    return rows.reshape(slots, count // slots, heads, steps, width).transpose(0, 2, 1, 3, 4)
