"""Whole rows of tokens among themselves, as a layer of a pass by hand asks for it."""

from __future__ import annotations

import mlx.core as mx

from droid_tune.model.gradients.by_hand.plain_body import PlainBody
from droid_tune.model.gradients.by_hand.turning import Turning
from droid_tune.model.gradients.by_hand.unpadded_rows import UnpaddedRows
from droid_tune.model.kernels.undivided_attention import UndividedAttention


class RowAttention:
    """Causal attention within each of n rows of T tokens, of which `layout` says which are kept."""

    def __init__(self, body: PlainBody, rows: int, steps: int, layout: UnpaddedRows) -> None:
        self._body, self._rows, self._steps, self._layout = body, rows, steps, layout
        self._turning = Turning(body, layout.gathered(mx.tile(mx.arange(steps), rows)))
        self._attention = UndividedAttention(steps, body.heads // body.key_heads)

    def forward(self, place: int, asked: mx.array) -> tuple[mx.array, list[mx.array]]:
        """See `TokenAttention`; kept are queries (n, H, R T, E), keys beside values (n, 2 H, T, E), normalisers."""
        body = self._body
        turned = self._layout.spread(self._turning.forward(asked))
        heads = turned.reshape(self._rows, self._steps, -1, body.width).swapaxes(1, 2)
        queries = mx.contiguous(heads[:, : body.heads]).reshape(self._rows, body.key_heads, -1, body.width)
        held = mx.contiguous(heads[:, body.heads :])
        keys, values = mx.split(held, 2, axis=1)
        told, normalisers = self._attention.forward(queries, keys, values)
        self.hold(place, held)
        return self._by_token(told), [queries, held, normalisers]

    def hold(self, place: int, held: mx.array) -> None:
        """Told of each layer's keys and values."""

    def backward(self, place: int, kept: list[mx.array], told: mx.array, by_told: mx.array) -> mx.array:
        """See `TokenAttention`."""
        body = self._body
        queries, held, normalisers = kept
        drift = (told * by_told).reshape(-1, body.heads, body.width).sum(axis=-1)
        keys, values = mx.split(held, 2, axis=1)
        drift, by_out = (self._by_head(self._layout.spread(one)) for one in (drift, by_told))
        by_queries, by_keys, by_values = self._attention.backward(
            queries, keys, values, normalisers, drift, by_out
        )
        by_held = self.by_held(place, by_keys, by_values)
        apart = [by_queries.reshape(self._rows, body.heads, self._steps, body.width), *by_held]
        by_turned = mx.concatenate([one.swapaxes(1, 2) for one in apart], axis=2)
        return self._turning.backward(self._layout.gathered(by_turned.reshape(self._rows * self._steps, -1)))

    def by_held(self, place: int, by_keys: mx.array, by_values: mx.array) -> tuple[mx.array, ...]:
        """The gradient by a layer's keys and values, from what these tokens make of it."""
        return by_keys, by_values

    def _by_token(self, told: mx.array) -> mx.array:
        """(n, H, R T, E) to (K, Hq E)."""
        heads = told.reshape(self._rows, self._body.heads, self._steps, self._body.width)
        rows = mx.contiguous(heads.swapaxes(1, 2)).reshape(self._rows * self._steps, -1)
        return self._layout.gathered(rows)

    def _by_head(self, told: mx.array) -> mx.array:
        """(n T, Hq X) to (n, H, R T, X)."""
        heads = told.reshape(self._rows, self._steps, self._body.heads, -1).swapaxes(1, 2)
        return mx.contiguous(heads).reshape(self._rows, self._body.key_heads, -1, heads.shape[-1])
