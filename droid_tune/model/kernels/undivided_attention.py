"""Causal attention over rows that are short enough for all weights at once, forth and back, in few operations.

As `lean_attention` it keeps one number a query (FlashAttention, arXiv 2205.14135, section 3.1); what it does to the weights is
one fused kernel each way, which MLX makes of nothing that it differentiates itself.
"""

from __future__ import annotations

from functools import partial

import mlx.core as mx

from droid_tune.numerics import exponentials_are_slow, growing_root, sixteenth_power


class UndividedAttention:
    """Rows (n) of T tokens, R query heads (scaled) for each of H key heads of width E."""

    def __init__(self, steps: int, sharing: int) -> None:
        places = mx.arange(steps)
        hidden = mx.where(places[:, None] >= places, 0.0, mx.inf)
        #: (R T, T): infinity where a key comes later, else 0
        self._hidden = mx.tile(hidden, (sharing, 1))

    def forward(self, queries: mx.array, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """`queries` (n, H, R T, E), keys and values (n, H, T, E): the output, and each query's log-normaliser (n, H, R T, 1)."""
        scores = queries @ keys.swapaxes(-1, -2)
        best = _shown(scores, self._hidden).max(axis=-1, keepdims=True)
        mass = _weights_of(scores, best, self._hidden)
        total = mass.sum(axis=-1, keepdims=True)
        return (mass @ values) / total, best + mx.log(total)

    def backward(
        self,
        queries: mx.array,
        keys: mx.array,
        values: mx.array,
        normalisers: mx.array,
        drift: mx.array,
        gradient: mx.array,
    ) -> tuple[mx.array, mx.array, mx.array]:
        """The gradient by queries, keys and values, from that by the output; `drift` (n, H, R T, 1): their products' sums."""
        scores, pulled = queries @ keys.swapaxes(-1, -2), gradient @ values.swapaxes(-1, -2)
        weights = _weights_of(scores, normalisers, self._hidden)
        by_scores = _by_scores(weights, pulled, drift)
        return by_scores @ keys, by_scores.swapaxes(-1, -2) @ queries, weights.swapaxes(-1, -2) @ gradient


def _weights_of(scores: mx.array, level: mx.array, hidden: mx.array) -> mx.array:
    """e ** (scores - level), of which none is above 1; 0 where `hidden`."""
    if exponentials_are_slow():
        return _of_root(_root(scores, level), hidden)
    return _exponential(scores, level, hidden)


@partial(mx.compile, shapeless=True)
def _shown(scores: mx.array, hidden: mx.array) -> mx.array:
    return scores - hidden


@partial(mx.compile, shapeless=True)
def _root(scores: mx.array, level: mx.array) -> mx.array:
    return growing_root(level - scores)


@partial(mx.compile, shapeless=True)
def _of_root(root: mx.array, hidden: mx.array) -> mx.array:
    return mx.where(hidden > 0, 0.0, 1 / sixteenth_power(root))


@partial(mx.compile, shapeless=True)
def _exponential(scores: mx.array, level: mx.array, hidden: mx.array) -> mx.array:
    return mx.exp(scores - level - hidden)


@partial(mx.compile, shapeless=True)
def _by_scores(weights: mx.array, pulled: mx.array, drift: mx.array) -> mx.array:
    return weights * (pulled - drift)
