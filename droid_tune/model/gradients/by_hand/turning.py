"""How places turn queries and keys, forth and back: a product with the halves changed over, and one fused kernel."""

from __future__ import annotations

from functools import partial

import mlx.core as mx

from droid_tune.model.gradients.by_hand.plain_body import PlainBody


class Turning:
    """What a layer's first product made of K tokens at `places` (K,), turned; queries are scaled, values stay as they are."""

    def __init__(self, body: PlainBody, places: mx.array) -> None:
        self._crossing = body.crossing()
        self._cosine, self._sine = body.tables(places)

    def forward(self, asked: mx.array) -> mx.array:
        """(K, (Hq + 2 H) E) to the same."""
        heads = asked.reshape(self._cosine.shape)
        return _crossed(heads, heads @ self._crossing, self._cosine, self._sine).reshape(asked.shape)

    def backward(self, by_turned: mx.array) -> mx.array:
        """The gradient by what `forward` was given, from that by what it gave."""
        heads = by_turned.reshape(self._cosine.shape)
        found = _uncrossed(heads, (heads * self._sine) @ self._crossing.T, self._cosine)
        return found.reshape(by_turned.shape)


@partial(mx.compile, shapeless=True)
def _crossed(heads: mx.array, crossed: mx.array, cosine: mx.array, sine: mx.array) -> mx.array:
    return heads * cosine + crossed * sine


@partial(mx.compile, shapeless=True)
def _uncrossed(gradient: mx.array, crossed: mx.array, cosine: mx.array) -> mx.array:
    return gradient * cosine + crossed
