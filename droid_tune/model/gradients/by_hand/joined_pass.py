"""A plain transformer's pass over whole rows, forth and back by hand: for small models, whose steps cost calls, not arithmetic.

While MLX traces a gradient it fuses nothing, and each norm, rotation and adapter is an operation or ten of its graph. Here
both directions are written out: queries, keys and values are one product with their adapters; rotations, norms, softmax and
SwiGLU are a fused kernel each way; behind the last attention only the states that predict a scored token go on; and below the
lowest adapter nothing is kept. What is kept of a layer: what it was given and what lies between its halves, with the rates of
their norms; turned queries, keys and values; the attention's output with one number a query; gate and up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from droid_tune.estimate.bucketed_lengths import bucketed
from droid_tune.model.arrays import Indices, close
from droid_tune.model.caches.prefix import PrefixCache, UnsharableCacheError, empty_caches
from droid_tune.model.gradients.by_hand.joined_products import BoundProduct
from droid_tune.model.gradients.by_hand.plain_body import PlainBody, PlainLayer, plain_body
from droid_tune.model.gradients.by_hand.unpadded_rows import UnpaddedRows
from droid_tune.model.kernels.swiglu import swiglu_back, swiglu_read
from droid_tune.model.kernels.undivided_attention import UndividedAttention

Arrays = list[mx.array]


@dataclass
class _KeptAttention:
    """What the way back reads of a layer's first half."""

    given: mx.array
    rate: mx.array
    turned: mx.array
    told: mx.array
    normalisers: mx.array


@dataclass
class _KeptMlp:
    """What it reads of the second."""

    between: mx.array
    rate: mx.array
    gate: mx.array
    up: mx.array


class _Bound:
    """A layer's products with the adapters that are in force."""

    def __init__(self, layer: PlainLayer, arrays: dict[str, mx.array]) -> None:
        self.norms = layer.norms
        products = [BoundProduct(product, arrays) for product in layer.products]
        self.asking, self.telling, self.gate, self.up, self.down = products


class JoinedPass:
    """The states (M, D) at flat positions `states` (M,) of rows of tokens (n, T), and the gradient by the arrays `wanted`; for
    none nothing is kept."""

    def __init__(
        self, body: PlainBody, tokens: mx.array, states: Indices, wanted: Sequence[str] = ()
    ) -> None:
        self._body, self._wanted = body, wanted
        self._lowest = body.lowest if wanted else len(body.layers)
        self._rows, self._steps = (int(size) for size in tokens.shape)
        self._scored = len(states)
        self._layout = UnpaddedRows(self._rows, self._steps, states)
        self._states = mx.array(_padded(states))
        self._own_states = self._layout.places_of(self._states)
        self._cosine, self._sine = body.tables(self._rows, self._steps)
        self._crossing = body.crossing()
        self._attention = UndividedAttention(self._steps, body.heads // body.key_heads)
        self._layers = [_Bound(layer, body.arrays) for layer in body.layers]
        self._attentions: list[_KeptAttention] = []
        self._mlps: list[_KeptMlp] = []
        width = int(body.embedding.weight.shape[1])
        self._ones = mx.full((width, 1), 1 / width)
        hidden = body.embedding(self._layout.gathered(tokens.reshape(-1)))
        for place in range(len(self._layers)):
            hidden = self._after_attention(place, hidden)
            hidden = self._after_mlp(place, hidden)
        self._last, self._last_rate = hidden, self._rate_of(body.norm, hidden)
        self.results = [_scaled(hidden, self._last_rate, body.norm.weight)[: self._scored]]
        mx.eval(self.results, self._last, self._last_rate)

    # -- forth -----------------------------------------------------------------------------------------------------

    def _after_attention(self, place: int, given: mx.array) -> mx.array:
        """(K, D) to (K, D) of the tokens that are kept, or to (M, D) in the last layer."""
        layer = self._layers[place]
        rate = self._rate_of(layer.norms[0], given)
        asked = layer.asking.forward(_scaled(given, rate, layer.norms[0].weight))
        turned = self._turned(self._layout.spread(asked))
        heads, normalisers = self._attention.forward(*self._parts(turned))
        told = self._layout.gathered(self._by_token(heads))
        if self._is_last(place):
            between = layer.telling.forward(told[self._own_states], given[self._own_states])
        else:
            between = layer.telling.forward(told, given)
        if place >= self._lowest:
            self._attentions.append(_KeptAttention(given, rate, turned, told, normalisers))
            mx.eval(between, list(vars(self._attentions[-1]).values()))
        else:
            mx.eval(between)
        return between

    def _after_mlp(self, place: int, between: mx.array) -> mx.array:
        layer = self._layers[place]
        rate = self._rate_of(layer.norms[1], between)
        read = _scaled(between, rate, layer.norms[1].weight)
        gate, up = layer.gate.forward(read), layer.up.forward(read)
        hidden = layer.down.forward(swiglu_read(gate, up), between)
        if place >= self._lowest:
            self._mlps.append(_KeptMlp(between, rate, gate, up))
            mx.eval(hidden, gate, up, rate)
        else:
            mx.eval(hidden)
        return hidden

    def _is_last(self, place: int) -> bool:
        return place == len(self._layers) - 1

    def _rate_of(self, norm: nn.RMSNorm, hidden: mx.array) -> mx.array:
        """(N, 1): what a norm divides each token by, the other way round; the sum of squares is a product."""
        return _rate(mx.square(hidden) @ self._ones, norm.eps)

    def _turned(self, asked: mx.array) -> mx.array:
        """Queries, keys and values (n, Hq + 2 H, T, E) from their product (n T, (Hq + 2 H) E)."""
        heads = mx.contiguous(asked.reshape(self._rows, self._steps, -1, self._body.width).swapaxes(1, 2))
        return _crossed(heads, heads @ self._crossing, self._cosine, self._sine)

    def _parts(self, turned: mx.array) -> tuple[mx.array, mx.array, mx.array]:
        """Queries (n, H, R T, E), keys and values (n, H, T, E)."""
        body = self._body
        queries, keys, values = mx.split(turned, [body.heads, body.heads + body.key_heads], axis=1)
        return queries.reshape(self._rows, body.key_heads, -1, body.width), keys, values

    def _by_token(self, told: mx.array) -> mx.array:
        """(n, H, R T, E) to (n T, Hq E)."""
        heads = told.reshape(self._rows, self._body.heads, self._steps, self._body.width)
        return mx.contiguous(heads.swapaxes(1, 2)).reshape(self._rows * self._steps, -1)

    # -- back ------------------------------------------------------------------------------------------------------

    def pull(self, cotangents: Sequence[mx.array]) -> Arrays:
        """The gradient of sum(results * cotangents) by each array that is wanted. Can be called once."""
        by_name: dict[str, mx.array] = {}
        spare = len(self._last) - self._scored
        gradient = mx.pad(cotangents[0], [(0, spare), (0, 0)]) if spare else cotangents[0]
        gradient = self._through_norm(self._body.norm, self._last, self._last_rate, gradient)
        for place in reversed(range(self._lowest, len(self._layers))):
            gradient = self._before_mlp(place, self._mlps.pop(), gradient, by_name)
            mx.eval(gradient, by_name)
            gradient = self._before_attention(place, self._attentions.pop(), gradient, by_name)
            mx.eval(by_name, [gradient] if place > self._lowest else [])
        return [by_name[name] for name in self._wanted]

    def _before_mlp(
        self, place: int, kept: _KeptMlp, gradient: mx.array, by_name: dict[str, mx.array]
    ) -> mx.array:
        """The gradient by what a layer's second half was given, from that by its output; that by adapters goes to `by_name`."""
        layer = self._layers[place]
        made, by_gate, by_up = swiglu_back(kept.gate, kept.up, layer.down.by_inputs(gradient))
        by_name |= layer.down.by_adapters(made, gradient)
        read = _scaled(kept.between, kept.rate, layer.norms[1].weight)
        by_name |= layer.gate.by_adapters(read, by_gate) | layer.up.by_adapters(read, by_up)
        by_read = layer.up.by_inputs(by_up, layer.gate.by_inputs(by_gate))
        return gradient + self._through_norm(layer.norms[1], kept.between, kept.rate, by_read)

    def _before_attention(
        self, place: int, kept: _KeptAttention, gradient: mx.array, by_name: dict[str, mx.array]
    ) -> mx.array:
        """The same of its first half."""
        layer, last = self._layers[place], self._is_last(place)
        by_name |= layer.telling.by_adapters(kept.told[self._own_states] if last else kept.told, gradient)
        by_told = layer.telling.by_inputs(gradient)
        if last:
            by_told, gradient = self._everywhere(by_told), self._everywhere(gradient)
        by_asked = self._through_attention(kept, by_told)
        normed = _scaled(kept.given, kept.rate, layer.norms[0].weight)
        by_name |= layer.asking.by_adapters(normed, by_asked)
        return gradient + self._through_norm(
            layer.norms[0], kept.given, kept.rate, layer.asking.by_inputs(by_asked)
        )

    def _everywhere(self, part: mx.array) -> mx.array:
        """What belongs to the states that predict something (M, X), among all that are kept (K, X)."""
        return mx.zeros((self._layout.count, part.shape[1])).at[self._own_states].add(part)

    def _through_attention(self, kept: _KeptAttention, by_told: mx.array) -> mx.array:
        """From the attention's output (K, Hq E) to the product that it began with (K, (Hq + 2 H) E)."""
        body = self._body
        queries, keys, values = self._parts(kept.turned)
        drift = (kept.told * by_told).reshape(-1, body.heads, body.width).sum(axis=-1)
        by_queries, by_keys, by_values = self._attention.backward(
            queries,
            keys,
            values,
            kept.normalisers,
            *map(self._by_head, map(self._layout.spread, (drift, by_told))),
        )
        whole = self._rows, body.heads, self._steps, body.width
        by_turned = mx.concatenate([by_queries.reshape(whole), by_keys, by_values], axis=1)
        heads = _uncrossed(by_turned, (by_turned * self._sine) @ self._crossing.T, self._cosine)
        by_asked = mx.contiguous(heads.swapaxes(1, 2)).reshape(self._rows * self._steps, -1)
        return self._layout.gathered(by_asked)

    def _by_head(self, told: mx.array) -> mx.array:
        """(n T, Hq X) to (n, H, R T, X)."""
        heads = told.reshape(self._rows, self._steps, self._body.heads, -1).swapaxes(1, 2)
        return mx.contiguous(heads).reshape(self._rows, self._body.key_heads, -1, heads.shape[-1])

    def _through_norm(
        self, norm: nn.RMSNorm, given: mx.array, rate: mx.array, gradient: mx.array
    ) -> mx.array:
        drift = _product(given, gradient, norm.weight) @ self._ones
        return _norm_back(given, rate, gradient, norm.weight, drift)


def passes_joined(model: nn.Module, body: Callable[..., mx.array], tokens: mx.array) -> bool:
    """Whether `plain_body` knows the model, and a pass over `tokens` (1, T) gives the states that its own `body` gives."""
    try:
        plain = plain_body(model)
        windows = any(
            not isinstance(cache, PrefixCache) or cache.window is not None for cache in empty_caches(model)
        )
        if plain is None or windows:
            return False
        found = JoinedPass(plain, tokens, np.arange(tokens.shape[1])).results[0]
        return close(found, body(tokens, cache=None)[0])
    except (UnsharableCacheError, AttributeError, KeyError, TypeError, ValueError, IndexError):
        return False


def _padded(states: Indices) -> Indices:
    """The same with the last once more or several times, for nobody: memory of few sizes is used again."""
    return np.pad(states, (0, bucketed(len(states)) - len(states)), mode="edge")


@partial(mx.compile, shapeless=True)
def _rate(mean_square: mx.array, eps: float) -> mx.array:
    return mx.rsqrt(mean_square + eps)


@partial(mx.compile, shapeless=True)
def _scaled(hidden: mx.array, rate: mx.array, weight: mx.array) -> mx.array:
    return hidden * rate * weight


@partial(mx.compile, shapeless=True)
def _product(one: mx.array, other: mx.array, weight: mx.array) -> mx.array:
    return one * other * weight


@partial(mx.compile, shapeless=True)
def _norm_back(
    given: mx.array, rate: mx.array, gradient: mx.array, weight: mx.array, drift: mx.array
) -> mx.array:
    return rate * (gradient * weight - given * (rate * rate * drift))


@partial(mx.compile, shapeless=True)
def _crossed(heads: mx.array, crossed: mx.array, cosine: mx.array, sine: mx.array) -> mx.array:
    return heads * cosine + crossed * sine


@partial(mx.compile, shapeless=True)
def _uncrossed(gradient: mx.array, crossed: mx.array, cosine: mx.array) -> mx.array:
    return gradient * cosine + crossed
