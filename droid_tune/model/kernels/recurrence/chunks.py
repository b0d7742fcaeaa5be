"""Splitting a row of tokens into spans of chunks: what every recurrence of this folder goes through.

A span (some chunks) is computed as one set of batched products; in the backward pass it is computed once more from
the state at its border, so that a row keeps its inputs, its output and one state a span (Chen et al., arXiv
1604.06174).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import mlx.core as mx

#: tokens of a chunk, a power of two
CHUNK = 64
#: chunks of a span
SPAN = 4

#: (state, each input (n, H, N, C, ...)) -> (state after them, output (n, H, N, C, E))
Span = Callable[..., tuple[mx.array, mx.array]]


def over_spans(span: Span, state: mx.array, inputs: Sequence[mx.array]) -> tuple[mx.array, mx.array]:
    """Run `span` along the tokens of `inputs`, each (n, T, H, ...), from `state`; the output (n, T, H, E), the state.

    The last chunk is filled up with zeros, which must leave the state as it is: log decays, keys and values are 0.
    """
    spans = _Spans(span, inputs[0].shape[1])
    joined = cast("Any", mx.custom_function(spans.forward))
    joined.vjp(spans.backward)
    output, after = joined(state, *inputs)[:2]
    return output, after


class _Spans:
    """Both directions of one call."""

    def __init__(self, span: Span, steps: int) -> None:
        self._span = span
        self._borders = list(range(CHUNK * SPAN, steps, CHUNK * SPAN))

    def forward(self, state: mx.array, *inputs: mx.array) -> tuple[mx.array, ...]:
        """The output, the state after the last token, and the state before each span."""
        before: list[mx.array] = []
        outputs: list[mx.array] = []
        for tokens in self._pieces(inputs):
            before.append(state)
            state, output = self._one(state, *tokens)
            outputs.append(output)
        return mx.concatenate(outputs, axis=1), state, *before

    def backward(
        self, primals: Sequence[mx.array], cotangents: Sequence[mx.array], results: Sequence[mx.array]
    ) -> tuple[mx.array, ...]:
        """The gradient by the state and every input.

        A span waits for what the one behind it gives the inputs: left to itself MLX would follow the states first, and
        hold every span's products until it comes back for the rest.
        """
        inputs, (gradient, by_state, *_) = primals[1:], cotangents
        pieces = zip(results[2:], self._pieces([*inputs, gradient]), strict=True)
        found: list[Sequence[mx.array]] = []
        for before, (*tokens, by_output) in reversed(list(pieces)):
            _, (by_before, *by_tokens) = mx.vjp(self._one, [before, *tokens], [by_state, by_output])
            by_state, *by_tokens = mx.depends([by_before, *by_tokens], by_tokens)
            found.append(by_tokens)
        by_inputs = zip(*reversed(found), strict=True)
        return by_state, *(mx.concatenate(list(parts), axis=1) for parts in by_inputs)

    def _pieces(self, inputs: Sequence[mx.array]) -> Iterator[tuple[mx.array, ...]]:
        """Each span's tokens of every input."""
        return zip(*(mx.split(one, self._borders, axis=1) for one in inputs), strict=True)

    def _one(self, state: mx.array, *tokens: mx.array) -> tuple[mx.array, mx.array]:
        state, output = self._span(state, *(_chunked(one) for one in tokens))
        return state, output.flatten(2, 3)[:, :, : tokens[0].shape[1]].swapaxes(1, 2)


def _chunked(tokens: mx.array) -> mx.array:
    """(n, t, H, ...) to (n, H, N, C, ...) with zeros behind the last token."""
    steps = tokens.shape[1]
    size = min(CHUNK, 1 << (steps - 1).bit_length())
    missing = -steps % size
    padded = mx.pad(tokens, [(0, 0), (0, missing), *[(0, 0)] * (tokens.ndim - 2)]) if missing else tokens
    return mx.unflatten(padded.swapaxes(1, 2), 2, (-1, size))


def between(states: mx.array, kept: mx.array, added: mx.array) -> tuple[mx.array, mx.array]:
    """The state before each chunk, and the one after the last, where a chunk keeps `kept` of a state and adds to it.

    `states` (n, H, K, V) the first; `kept` (n, H, N, 1 or K, 1); `added` (n, H, N, K, V) -> (n, H, N, K, V), (n, H, K, V).
    """
    before: list[mx.array] = []
    for place in range(added.shape[2]):
        before.append(states)
        states = states * kept[:, :, place] + added[:, :, place]
    return mx.stack(before, axis=2), states
