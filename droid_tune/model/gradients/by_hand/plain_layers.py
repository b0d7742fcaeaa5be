"""The layers of a plain transformer, forth and back by hand: for small models, whose steps cost calls, not arithmetic.

While MLX traces a gradient it fuses nothing, and each norm, rotation and adapter is an operation or ten of its graph. Here
both directions are written out: queries, keys and values are one product with their adapters; rotations, norms, softmax and
SwiGLU are a fused kernel each way; behind the last attention only the states that predict a scored token go on; and below the
lowest adapter nothing is kept. What is kept of a layer: what it was given and what lies between its halves, with the rates of
their norms; turned queries, keys and values; the attention's output with one number a query; gate and up. Or what it was given
alone, and the rest is made once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from droid_tune.estimate.bucketed_lengths import bucketed
from droid_tune.model.arrays import Indices
from droid_tune.model.gradients.by_hand.plain_body import PlainBody
from droid_tune.model.kernels.llama_parts import averaging, rate_of, scaled
from droid_tune.model.kernels.swiglu import swiglu_back, swiglu_read

Arrays = list[mx.array]


class TokenAttention(Protocol):
    """What the tokens of a layer say to one another."""

    def forward(self, place: int, asked: mx.array) -> tuple[mx.array, Arrays]:
        """From the first product of the layer at `place` (K, (Hq + 2 H) E) to (K, Hq E), and what the way back reads."""
        ...

    def backward(self, place: int, kept: Arrays, told: mx.array, by_told: mx.array) -> mx.array:
        """The gradient by that product, from that by what was `told`."""
        ...


@dataclass
class _KeptAttention:
    """What the way back reads of a layer's first half."""

    given: mx.array
    rate: mx.array
    told: mx.array
    attended: Arrays

    @property
    def arrays(self) -> Arrays:
        """All of it."""
        return [self.given, self.rate, self.told, *self.attended]


@dataclass
class _KeptMlp:
    """What it reads of the second."""

    between: mx.array
    rate: mx.array
    gate: mx.array
    up: mx.array


class PlainLayers:
    """The states (M, D) at `states` (M,) of `tokens` (K,), and the gradient by the arrays `wanted`; for none nothing is kept.
    `again`: of each layer what it was given is kept, and the rest made once more on the way back."""

    def __init__(
        self,
        body: PlainBody,
        attention: TokenAttention,
        tokens: mx.array,
        states: mx.array,
        wanted: Sequence[str] = (),
        *,
        again: bool = False,
    ) -> None:
        self._body, self._attention, self._wanted, self._again = body, attention, wanted, again
        self._lowest = body.lowest if wanted else len(body.layers)
        self._states, self._count = states, int(tokens.shape[0])
        self._layers = body.bound
        self._given: Arrays = []
        self._firsts: list[_KeptAttention] = []
        self._seconds: list[_KeptMlp] = []
        self._mean = averaging(body.norm)
        hidden = body.embedding(tokens)
        for place in range(len(self._layers)):
            hidden = self._through(place, hidden)
        self._last, self._last_rate = hidden, rate_of(body.norm, hidden, self._mean)
        self.result = scaled(hidden, self._last_rate, body.norm.weight)
        mx.eval(self.result, self._last, self._last_rate)

    # -- forth -----------------------------------------------------------------------------------------------------

    def _through(self, place: int, given: mx.array) -> mx.array:
        """(K, D) to (K, D) of all tokens, or to (M, D) in the last layer."""
        needed = place >= self._lowest
        keeps = needed and not self._again
        if needed and self._again:
            self._given.append(given)
        first, between = self._first_half(place, given)
        mx.eval(between, first.arrays if keeps else [])
        if keeps:
            self._firsts.append(first)
        del first
        second, read = self._second_half(place, between)
        hidden = self._layers[place].down.forward(read, between)
        if keeps:
            self._seconds.append(second)
            mx.eval(hidden, second.gate, second.up, second.rate)
        else:
            del second, read
            mx.eval(hidden)
        return hidden

    def _first_half(self, place: int, given: mx.array) -> tuple[_KeptAttention, mx.array]:
        layer = self._layers[place]
        rate = rate_of(layer.norms[0], given, self._mean)
        asked = layer.asking.forward(scaled(given, rate, layer.norms[0].weight))
        told, attended = self._attention.forward(place, asked)
        if self._is_last(place):
            between = layer.telling.forward(told[self._states], given[self._states])
        else:
            between = layer.telling.forward(told, given)
        return _KeptAttention(given, rate, told, attended), between

    def _second_half(self, place: int, between: mx.array) -> tuple[_KeptMlp, mx.array]:
        """What is kept of it, and what goes into its last product."""
        layer = self._layers[place]
        rate = rate_of(layer.norms[1], between, self._mean)
        read = scaled(between, rate, layer.norms[1].weight)
        gate, up = layer.gate.forward(read), layer.up.forward(read)
        return _KeptMlp(between, rate, gate, up), swiglu_read(gate, up)

    def _is_last(self, place: int) -> bool:
        return place == len(self._layers) - 1

    # -- back ------------------------------------------------------------------------------------------------------

    def pull(self, cotangent: mx.array) -> Arrays:
        """The gradient of sum(result * cotangent) by each array that is wanted. Can be called once."""
        by_name: dict[str, mx.array] = {}
        gradient = self._through_norm(self._body.norm, self._last, self._last_rate, cotangent)
        for place in reversed(range(self._lowest, len(self._layers))):
            if self._again:
                self._make_again(place)
            gradient = self._before_mlp(place, self._seconds.pop(), gradient, by_name)
            mx.eval(gradient, by_name)
            gradient = self._before_attention(place, self._firsts.pop(), gradient, by_name)
            mx.eval(by_name, [gradient] if place > self._lowest else [])
        return [by_name[name] for name in self._wanted]

    def _make_again(self, place: int) -> None:
        first, between = self._first_half(place, self._given.pop())
        mx.eval(between, first.arrays)
        self._firsts.append(first)
        self._seconds.append(self._second_half(place, between)[0])

    def _before_mlp(
        self, place: int, kept: _KeptMlp, gradient: mx.array, by_name: dict[str, mx.array]
    ) -> mx.array:
        """The gradient by what a layer's second half was given, from that by its output; that by adapters goes to `by_name`."""
        layer = self._layers[place]
        made, by_gate, by_up = swiglu_back(kept.gate, kept.up, layer.down.by_inputs(gradient))
        by_name |= layer.down.by_adapters(made, gradient)
        read = scaled(kept.between, kept.rate, layer.norms[1].weight)
        by_name |= layer.gate.by_adapters(read, by_gate) | layer.up.by_adapters(read, by_up)
        by_read = layer.up.by_inputs(by_up, layer.gate.by_inputs(by_gate))
        return gradient + self._through_norm(layer.norms[1], kept.between, kept.rate, by_read)

    def _before_attention(
        self, place: int, kept: _KeptAttention, gradient: mx.array, by_name: dict[str, mx.array]
    ) -> mx.array:
        """The same of its first half."""
        layer, last = self._layers[place], self._is_last(place)
        by_name |= layer.telling.by_adapters(kept.told[self._states] if last else kept.told, gradient)
        by_told = layer.telling.by_inputs(gradient)
        if last:
            by_told, gradient = self._everywhere(by_told), self._everywhere(gradient)
        by_asked = self._attention.backward(place, kept.attended, kept.told, by_told)
        normed = scaled(kept.given, kept.rate, layer.norms[0].weight)
        by_name |= layer.asking.by_adapters(normed, by_asked)
        return gradient + self._through_norm(
            layer.norms[0], kept.given, kept.rate, layer.asking.by_inputs(by_asked)
        )

    def _everywhere(self, part: mx.array) -> mx.array:
        """What belongs to the states that predict something (M, X), among all tokens (K, X)."""
        return mx.zeros((self._count, part.shape[1])).at[self._states].add(part)

    def _through_norm(
        self, norm: nn.RMSNorm, given: mx.array, rate: mx.array, gradient: mx.array
    ) -> mx.array:
        drift = _product(given, gradient, norm.weight) @ self._mean
        return _norm_back(given, rate, gradient, norm.weight, drift)


class PaddedStates:
    """M places, with the last once more or several times, for nobody: memory of few sizes is used again."""

    def __init__(self, states: Indices) -> None:
        self._real = len(states)
        self._spare = bucketed(len(states)) - len(states)
        self.places = mx.array(np.pad(states, (0, self._spare), mode="edge"))

    def real(self, found: mx.array) -> mx.array:
        """What was found at the M places alone."""
        return found[: self._real]

    def padded(self, cotangent: mx.array) -> mx.array:
        """The gradient (M, D) by that, with nothing at the others."""
        return mx.pad(cotangent, [(0, self._spare), (0, 0)]) if self._spare else cotangent


@partial(mx.compile, shapeless=True)
def _product(one: mx.array, other: mx.array, weight: mx.array) -> mx.array:
    return one * other * weight


@partial(mx.compile, shapeless=True)
def _norm_back(
    given: mx.array, rate: mx.array, gradient: mx.array, weight: mx.array, drift: mx.array
) -> mx.array:
    return rate * (gradient * weight - given * (rate * rate * drift))
