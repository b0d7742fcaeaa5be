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
        self._hidden = later_keys(steps, sharing)

    def forward(self, queries: mx.array, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """`queries` (n, H, R T, E), keys and values (n, H, T, E): the output, and each query's log-normaliser (n, H, R T, 1)."""
        scores = queries @ keys.swapaxes(-1, -2)
        best = shown(scores, self._hidden).max(axis=-1, keepdims=True)
        mass = weights_of(scores, best, self._hidden)
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
        weights = weights_of(scores, normalisers, self._hidden)
        by_scores = slopes_of(weights, pulled, drift)
        return by_scores @ keys, by_scores.swapaxes(-1, -2) @ queries, weights.swapaxes(-1, -2) @ gradient


def later_keys(steps: int, sharing: int) -> mx.array:
    """(R T, T): infinity where a key comes later than one of R queries of each place, else 0."""
    places = mx.arange(steps)
    return mx.tile(mx.where(places[:, None] >= places, 0.0, mx.inf), (sharing, 1))


def weights_of(scores: mx.array, level: mx.array, hidden: mx.array | None = None) -> mx.array:
    """e ** (scores - level), float32, of which none is above 1; 0 where `hidden`, if anything is. Outside of MLX's gradients."""
    if exponentials_are_slow():
        root = _root(scores, level)
        return _of_root(root) if hidden is None else _of_root_shown(root, hidden)
    return _exponential(scores, level) if hidden is None else _exponential(shown(scores, hidden), level)


@partial(mx.compile, shapeless=True)
def shown(scores: mx.array, hidden: mx.array) -> mx.array:
    """The scores; -inf where `hidden`."""
    return scores - hidden


@partial(mx.compile, shapeless=True)
def slopes_of(weights: mx.array, by_weights: mx.array, drift: mx.array) -> mx.array:
    """The gradient of a softmax by its scores, from that by its weights; `drift`: the sums of their products."""
    return weights * (by_weights - drift)


@partial(mx.compile, shapeless=True)
def _root(scores: mx.array, level: mx.array) -> mx.array:
    return growing_root(level - scores)


@partial(mx.compile, shapeless=True)
def _of_root(root: mx.array) -> mx.array:
    return 1 / sixteenth_power(root)


@partial(mx.compile, shapeless=True)
def _of_root_shown(root: mx.array, hidden: mx.array) -> mx.array:
    return mx.where(hidden > 0, 0.0, 1 / sixteenth_power(root))


@partial(mx.compile, shapeless=True)
def _exponential(scores: mx.array, level: mx.array) -> mx.array:
    return mx.exp(scores - level)
