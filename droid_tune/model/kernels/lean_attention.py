"""Attention for training that keeps one number per query, not one per query and key.

MLX's fused kernel is for inference: while a gradient is traced it stores every attention weight of every layer, which
for rows of thousands of tokens is more than all else. Here the derivative computes the weights once more from each
query's log-normaliser (as Dao et al. do, FlashAttention, arXiv 2205.14135, section 3.1), and both directions go
through the queries in blocks, so that only one block's weights exist at a time. Blocks of a causal row leave out the
keys that none of their queries sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import mlx.core as mx

from droid_tune.estimate.memory import BLOCK_WEIGHTS, LEAST_BLOCK
from droid_tune.model.kernels.few_bits import Held, mean_of, scores_of
from droid_tune.numerics import exponential

#: None, "causal", or booleans that broadcast to (n, 1, T, S), True where a query sees a key
Mask = mx.array | str | None


def block_weights(*, training: bool = True) -> int:
    """Attention weights that exist at a time, all heads and rows together."""
    return BLOCK_WEIGHTS["cpu" if training and mx.default_device() == mx.cpu else "metal"]


def takes(queries: mx.array, mask: Any) -> bool:
    """Whether `lean_attention` knows this kind of mask and has anything to save."""
    known = mask is None or mask == "causal" if not isinstance(mask, mx.array) else mask.dtype == mx.bool_
    return known and queries.shape[2] > 1


def lean_attention(queries: mx.array, keys: mx.array, values: mx.array, scale: float, mask: Mask) -> mx.array:
    """softmax(scale Q K^T) V: `queries` (n, Hq, T, D), `keys` (n, H, S, D), `values` (n, H, S, E) -> (n, Hq, T, E)."""
    count, query_heads, steps, _ = queries.shape
    grouped, attention = in_blocks(queries, int(keys.shape[1]), int(keys.shape[2]), scale, mask)
    joined = cast("Any", mx.custom_function(attention.forward))
    joined.vjp(attention.backward)
    return cast("mx.array", joined(grouped, keys, values)[0]).reshape(count, query_heads, steps, -1)


def read_attention(queries: mx.array, keys: mx.array, values: mx.array, scale: float, mask: Mask) -> mx.array:
    """The same where no gradient is wanted: MLX's own, but for long rows on processors, of which it stores all weights."""
    weights = queries.size // queries.shape[-1] * keys.shape[2]
    if mx.default_device() != mx.cpu or weights <= block_weights(training=False) or not takes(queries, mask):
        return mx.fast.scaled_dot_product_attention(queries, keys, values, scale=scale, mask=mask)
    grouped, attention = in_blocks(queries, int(keys.shape[1]), int(keys.shape[2]), scale, mask)
    return attention.forward(grouped, keys, values)[0].reshape(*queries.shape[:3], -1)


def in_blocks(
    queries: mx.array, heads: int, seen: int, scale: float, mask: Mask
) -> tuple[mx.array, QueryBlocks]:
    """Queries (n, Hq, T, D), scaled and by the key head that they share, (n, H, R, T, D), and what attends with them."""
    count, query_heads, steps, width = queries.shape
    grouped = (queries * scale).reshape(count, heads, query_heads // heads, steps, width)
    return grouped, QueryBlocks(mask, steps, seen, count * query_heads)


class QueryBlocks:
    """Both directions of one call; queries (n, H, R, T, D) are scaled, R of them share a key head."""

    def __init__(self, mask: Mask, steps: int, seen: int, rows: int) -> None:
        self._mask, self._steps, self._seen = mask, steps, seen
        self._block = max(LEAST_BLOCK, block_weights() // (rows * seen))

    def forward(self, queries: mx.array, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """The output, and each query's log-normaliser (n, H, R, T, 1)."""
        outputs: list[mx.array] = []
        normalisers: list[mx.array] = []
        for span, end in self._spans():
            asked = behind(queries[..., span, :], [*outputs[-1:], *normalisers[-1:]])
            scores = self._scores(asked, keys, span, end)
            best = scores.max(axis=-1, keepdims=True)
            mass = exponential(scores - best)
            total = mass.sum(axis=-1, keepdims=True)
            summed = over_keys(mass.astype(values.dtype), values[:, :, :end])
            outputs.append((summed / total).astype(queries.dtype))
            normalisers.append(best + mx.log(total))
        return mx.concatenate(outputs, axis=3), mx.concatenate(normalisers, axis=3)

    def backward(
        self, primals: Sequence[mx.array], cotangents: Sequence[mx.array], results: Sequence[mx.array]
    ) -> tuple[mx.array, mx.array, mx.array]:
        """The gradient by queries, keys and values."""
        queries, keys, values = primals
        output, normalisers = results
        drift = (cotangents[0] * output).sum(axis=-1, keepdims=True)
        by_queries: list[mx.array] = []
        by_keys, by_values = mx.zeros_like(keys), mx.zeros_like(values)
        for span, end in self._spans():
            done = [by_keys, by_values, *by_queries[-1:]]
            asked, gradient = behind(queries[..., span, :], done), cotangents[0][..., span, :]
            scores = self._scores(asked, keys, span, end)
            weights = exponential(scores - normalisers[..., span, :]).astype(queries.dtype)
            by_scores = weights * (against_keys(gradient, values[:, :, :end]) - drift[..., span, :])
            by_queries.append(over_keys(by_scores, keys[:, :, :end]))
            by_keys = _added(by_keys, from_queries(by_scores, asked))
            by_values = _added(by_values, from_queries(weights, gradient))
        return mx.concatenate(by_queries, axis=3), by_keys, by_values

    def _spans(self) -> Iterator[tuple[slice, int]]:
        """Each block's queries, and how many keys they see at most."""
        for start in range(0, self._steps, self._block):
            stop = min(start + self._block, self._steps)
            yield (
                slice(start, stop),
                stop + self._seen - self._steps if self._mask == "causal" else self._seen,
            )

    def _scores(self, queries: mx.array, keys: mx.array, span: slice, end: int) -> mx.array:
        """(n, H, R, t, end), -inf where a key is hidden."""
        scores = against_keys(queries, keys[:, :, :end])
        if isinstance(self._mask, mx.array):
            visible = self._mask[..., span, :end]
            visible = visible[:, :, None] if visible.ndim == 4 else visible
        elif self._mask == "causal":
            place = mx.arange(span.start, span.stop)[:, None] + (self._seen - self._steps)
            visible = place >= mx.arange(end)[None]
        else:
            return scores
        return mx.where(visible, scores, -mx.inf)


def against_keys(queries: mx.array, keys: Held) -> mx.array:
    """(n, H, R, t, D) and (n, H, s, D) to (n, H, R, t, s), one matrix product per key head."""
    product = scores_of(queries.reshape(*queries.shape[:2], -1, queries.shape[-1]), keys)
    return product.reshape(*queries.shape[:-1], keys.shape[2])


def over_keys(weights: mx.array, keys: Held) -> mx.array:
    """(n, H, R, t, s) and (n, H, s, D) to (n, H, R, t, D)."""
    product = mean_of(weights.reshape(*weights.shape[:2], -1, weights.shape[-1]), keys)
    return product.reshape(*weights.shape[:-1], keys.shape[-1])


def from_queries(weights: mx.array, queries: mx.array) -> mx.array:
    """(n, H, R, t, s) and (n, H, R, t, D) to (n, H, s, D): what every query adds to each key."""
    flat = weights.reshape(*weights.shape[:2], -1, weights.shape[-1])
    return flat.swapaxes(-1, -2) @ queries.reshape(*queries.shape[:2], -1, queries.shape[-1])


def behind(queries: mx.array, done: Sequence[mx.array]) -> mx.array:
    """A block's queries, not to be looked at before `done`: left to itself MLX computes all blocks' scores first."""
    return mx.depends([queries], list(done))[0] if done else queries


def _added(total: mx.array, part: mx.array) -> mx.array:
    """`part` (n, H, s, D) is of the first s keys."""
    missing = total.shape[2] - part.shape[2]
    return total + (mx.pad(part, [(0, 0), (0, 0), (0, missing), (0, 0)]) if missing else part)
