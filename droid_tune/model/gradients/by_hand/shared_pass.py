"""A prompt that a group shares, and its completions behind it: two passes by hand (see `plain_layers`) that meet in the prompt's
keys and values.

The prompt stands once. Of it nothing is kept but what each layer was given and its keys and values: the rest is made again when
the gradient by them, from all completions, is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import numpy as np

from droid_tune.model.arrays import Indices
from droid_tune.model.gradients.by_hand.plain_body import PlainBody
from droid_tune.model.gradients.by_hand.plain_layers import PaddedStates, PlainLayers
from droid_tune.model.gradients.by_hand.row_attention import RowAttention
from droid_tune.model.gradients.by_hand.turning import Turning
from droid_tune.model.gradients.by_hand.unpadded_rows import UnpaddedRows
from droid_tune.model.kernels.lean_attention import block_weights
from droid_tune.model.kernels.shared_attention import JoinedAttention, spans_of

Arrays = list[mx.array]


class _PromptAttention(RowAttention):
    """That of one row, whose keys and values are wanted, and get a gradient from elsewhere."""

    def __init__(self, body: PlainBody, steps: int, layout: UnpaddedRows) -> None:
        super().__init__(body, 1, steps, layout)
        #: keys and values (1, H, L, E) layer by layer, while they are wanted; and the gradient by them
        self.held: Arrays | None = []
        self.further: Sequence[mx.array] = ()

    def hold(self, place: int, held: mx.array) -> None:
        if self.held is not None:
            self.held += mx.split(held, 2, axis=1)

    def by_held(self, place: int, by_keys: mx.array, by_values: mx.array) -> tuple[mx.array, ...]:
        return by_keys + self.further[2 * place], by_values + self.further[2 * place + 1]


class PromptByHand:
    """Results: the last state (1, 1, D) of a prompt of `tokens` (1, L), then keys and values (1, H, L, E) layer by layer."""

    def __init__(self, body: PlainBody, tokens: mx.array, wanted: Sequence[str] = ()) -> None:
        steps = int(tokens.shape[1])
        last = np.array([steps - 1])
        self._attention = _PromptAttention(body, steps, UnpaddedRows(1, steps, last))
        self._layers = PlainLayers(
            body, self._attention, tokens.reshape(-1), mx.array(last), wanted, again=True
        )
        self.results = [self._layers.result[None], *(self._attention.held or [])]
        mx.eval(self.results)
        self._attention.held = None

    @property
    def leaves(self) -> list[list[mx.array | None]]:
        """Keys and values, layer by layer."""
        flat = self.results[1:]
        return [[*pair] for pair in zip(flat[::2], flat[1::2], strict=True)]

    def pull(self, cotangents: Sequence[mx.array]) -> Arrays:
        """The gradient of sum(results * cotangents) by each array that is wanted. Can be called once."""
        self._attention.further = cotangents[1:]
        return self._layers.pull(cotangents[0][0])


class _BehindPrompt:
    """Attention of n rows of T tokens to the prompt that all of them continue, and to what they said before."""

    def __init__(
        self, body: PlainBody, leaves: Sequence[mx.array], rows: int, steps: int, layout: UnpaddedRows
    ) -> None:
        self._body, self._leaves, self._layout = body, leaves, layout
        self._shape = rows, steps
        prompt, sharing = int(leaves[0].shape[2]), body.heads // body.key_heads
        self._turning = Turning(body, prompt + layout.gathered(mx.tile(mx.arange(steps), rows)))
        spans = spans_of(rows, max(1, rows_together(body, prompt, steps)))
        self._attention = JoinedAttention(None, "causal", sharing, spans, fuses=True)
        #: the gradient by keys and values of the prompt, layer by layer
        self.by_leaves: Arrays = [mx.zeros_like(leaf) for leaf in leaves]

    def forward(self, place: int, asked: mx.array) -> tuple[mx.array, Arrays]:
        """See `TokenAttention`; kept are queries (1, H, n, R T, E), keys beside values (2, H, n, T, E), normalisers."""
        body, (rows, steps) = self._body, self._shape
        turned = self._layout.spread(self._turning.forward(asked)).reshape(rows, steps, -1, body.width)
        queries = self._by_head(turned[:, :, : body.heads])
        held = mx.contiguous(turned[:, :, body.heads :].transpose(2, 0, 1, 3))
        held = held.reshape(2, body.key_heads, rows, steps, body.width)
        far_keys, far_values = self._of(place)
        told, normalisers = self._attention.forward(queries, far_keys, far_values, held[:1], held[1:])
        return self._layout.gathered(self._by_token(told)), [queries, held, normalisers]

    def backward(self, place: int, kept: Arrays, told: mx.array, by_told: mx.array) -> mx.array:
        """See `TokenAttention`; the gradient by the prompt goes to `by_leaves`."""
        body, (rows, steps) = self._body, self._shape
        queries, held, normalisers = kept
        drift = (told * by_told).reshape(-1, body.heads, body.width).sum(axis=-1)
        drift, by_out = (
            self._by_head(self._layout.spread(one).reshape(rows, steps, body.heads, -1))
            for one in (drift, by_told)
        )
        far_keys, far_values = self._of(place)
        by_queries, *by_leaves, by_keys, by_values = self._attention.pulled(
            queries,
            far_keys,
            far_values,
            held[:1],
            held[1:],
            normaliser=normalisers,
            drift=drift,
            gradient=by_out,
        )
        mx.eval(by_queries, by_leaves, by_keys, by_values)
        self.by_leaves[2 * place : 2 * place + 2] = by_leaves
        heads = by_queries.reshape(body.key_heads, rows, -1, steps, body.width).transpose(1, 3, 0, 2, 4)
        apart = [heads.reshape(rows, steps, -1, body.width)]
        apart += [one[0].transpose(1, 2, 0, 3) for one in (by_keys, by_values)]
        by_turned = mx.concatenate(apart, axis=2).reshape(rows * steps, -1)
        return self._turning.backward(self._layout.gathered(by_turned))

    def _of(self, place: int) -> tuple[mx.array, mx.array]:
        return self._leaves[2 * place], self._leaves[2 * place + 1]

    def _by_head(self, heads: mx.array) -> mx.array:
        """(n, T, Hq, X) to (1, H, n, R T, X)."""
        rows, steps = self._shape
        grouped = heads.reshape(rows, steps, self._body.key_heads, -1, heads.shape[-1])
        flat = mx.contiguous(grouped.transpose(2, 0, 3, 1, 4))
        return flat.reshape(1, self._body.key_heads, rows, -1, heads.shape[-1])

    def _by_token(self, told: mx.array) -> mx.array:
        """(1, H, n, R T, E) to (n T, Hq E)."""
        rows, steps = self._shape
        heads = told.reshape(self._body.key_heads, rows, -1, steps, self._body.width)
        return mx.contiguous(heads.transpose(1, 3, 0, 2, 4)).reshape(rows * steps, -1)


class PromptedRows:
    """Results: the states (M, D) that predict the tokens at flat positions `scored` (M,) of completions `tokens` (n, T), behind
    the prompt whose results are `given`. The gradient is by the arrays `wanted`, then by what was given."""

    def __init__(
        self,
        body: PlainBody,
        given: Sequence[mx.array],
        tokens: mx.array,
        scored: Indices,
        wanted: Sequence[str] = (),
    ) -> None:
        rows, steps = int(tokens.shape[0]), int(tokens.shape[1]) - 1
        line, column = np.divmod(scored, steps + 1)
        within = column > 0
        states = line[within] * steps + column[within] - 1
        self._given, self._wanted, self._body = given, wanted, body
        self._first, self._later = np.flatnonzero(~within), np.flatnonzero(within)
        self._run = None
        found = [given[0].reshape(1, -1)]
        if len(states):
            layout = UnpaddedRows(rows, steps, states)
            self._padded = PaddedStates(states)
            self._attention = _BehindPrompt(body, given[1:], rows, steps, layout)
            self._run = PlainLayers(
                body,
                self._attention,
                layout.gathered(tokens[:, :-1].reshape(-1)),
                layout.places_of(self._padded.places),
                wanted,
            )
            found.append(self._padded.real(self._run.result))
        order = np.zeros(len(scored), np.int64)
        order[within] = np.arange(1, len(states) + 1)
        self.results = [mx.concatenate(found)[mx.array(order)]]

    def pull(self, cotangents: Sequence[mx.array]) -> Arrays:
        """The gradient of sum(results * cotangents) by each array that is wanted and that was given. Can be called once."""
        gradient = cotangents[0]
        by_last = mx.zeros_like(self._given[0])
        if len(self._first):
            by_last = gradient[mx.array(self._first)].sum(axis=0).reshape(self._given[0].shape)
        if self._run is None:
            arrays = [mx.zeros_like(self._body.arrays[name]) for name in self._wanted]
            return [*arrays, by_last, *(mx.zeros_like(leaf) for leaf in self._given[1:])]
        arrays = self._run.pull(self._padded.padded(gradient[mx.array(self._later)]))
        return [*arrays, by_last, *self._attention.by_leaves]


def rows_together(body: PlainBody, prompt: int, steps: int) -> int:
    """How many rows of so many tokens behind a prompt have their attention weights at once; 0 where one has too many."""
    return block_weights() // (body.heads * max(1, steps) * (prompt + steps))
