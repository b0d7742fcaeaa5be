"""A decoding step of a plain transformer in few operations: for small models, whose steps cost calls, not arithmetic.

Queries, keys and values are one product, turned by one table of angles in one kernel (values by an angle of 0), written at
once, and attended to in one softmax over prompt and completion; sums are made inside products where they can be. What mlx-lm
does in 175 operations a layer is done in 47 so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, cast

import mlx.core as mx
import mlx.nn as nn

from droid_tune.estimate.memory import COMPLETION_BLOCK
from droid_tune.model.arrays import close
from droid_tune.model.caches.prefix import PrefixCache, UnsharableCacheError, empty_caches
from droid_tune.model.gradients.by_hand.plain_body import BoundLayer, PlainBody, PlainLayer, plain_body
from droid_tune.model.kernels.in_force import in_force
from droid_tune.model.kernels.llama_parts import averaging, rate_of, scaled
from droid_tune.numerics import exponential


class TokenCache(Protocol):
    """What a layer remembers of rows that are decoded together."""

    def told(self, turned: mx.array, heads: int, hidden_keys: mx.array | None) -> mx.array:
        """Attention output (n, Hq E) of queries (n, Hq, E) beside the newest tokens' keys and values, (n, Hq + 2 H, E) in all."""
        ...


@dataclass(frozen=True)
class JoinedBody:
    """All layers, and what they share: heads of queries and of keys, their width, how places turn them."""

    layers: Sequence[BoundLayer]
    plain: PlainBody
    mean: mx.array

    def angles(self, places: int) -> mx.array:
        """Cosines and sines (places, 2, Hq + 2 H, E / 2) of the first places, those of queries times the attention's scale;
        values stay as they are."""
        tables = self.plain.tables(mx.arange(places))
        return mx.stack([table[..., : self.plain.width // 2] for table in tables], axis=1)

    def __call__(
        self, tokens: mx.array, angles: mx.array, caches: Sequence[TokenCache], hidden_keys: mx.array | None
    ) -> mx.array:
        """Hidden states (n, D) behind one further token of each row (n,). `angles` (n or 1, 2, Hq + 2 H, E / 2) are those of
        its place; `hidden_keys` (n, 1, 1, s): -inf where a row has no token, else 0; None: it has all, or its cache knows."""
        hidden = self.plain.embedding(tokens)
        cosine, sine = angles[:, 0], angles[:, 1]
        for layer, cache in zip(self.layers, caches, strict=True):
            made = layer.asking.forward(self._normed(layer.norms[0], hidden))
            halves = made.reshape(made.shape[0], -1, 2, self.plain.width // 2)
            turned = mx.concatenate([*_turned(halves[:, :, 0], halves[:, :, 1], cosine, sine)], axis=-1)
            hidden = layer.telling.forward(cache.told(turned, self.plain.heads, hidden_keys), hidden)
            read = self._normed(layer.norms[1], hidden)
            gated = in_force().swiglu(layer.gate.forward(read), layer.up.forward(read))
            hidden = layer.down.forward(gated, hidden)
        return self._normed(self.plain.norm, hidden)

    def _normed(self, norm: nn.RMSNorm, hidden: mx.array) -> mx.array:
        return scaled(hidden, rate_of(norm, hidden, self.mean), norm.weight)


class JoinedCache:
    """One layer's keys and values (n, 2 H, s, E) of rows that each have their prompt to themselves: prompts, padded to one
    length, then what the rows add, all equally far. There is room for `most` added tokens, made by blocks."""

    def __init__(self, prompts: mx.array, most: int, block: int = COMPLETION_BLOCK) -> None:
        self._held, self._used, self._most, self._block = prompts, int(prompts.shape[2]), most, block
        self._begin = self._used

    def told(self, turned: mx.array, heads: int, hidden_keys: mx.array | None) -> mx.array:
        """See `TokenCache`."""
        count, _, width = turned.shape
        held = self._with_token(turned[:, heads:])
        keys = held.shape[1] // 2
        queries = turned[:, :heads].reshape(count, keys, heads // keys, width)
        scores = queries @ held[:, :keys].swapaxes(-1, -2)
        scores = scores if hidden_keys is None else scores + hidden_keys
        mass = _mass(scores, scores.max(axis=-1, keepdims=True))
        told = (mass @ held[:, keys:]) / mass.sum(axis=-1, keepdims=True)
        return told.reshape(count, -1)

    def _with_token(self, new: mx.array) -> mx.array:
        """All that is held (n, 2 H, s, E), the newest (n, 2 H, E) of each row included."""
        if self._used == self._held.shape[2]:
            room = max(1, min(self._block, self._begin + self._most - self._used))
            self._held = mx.pad(self._held, [(0, 0), (0, 0), (0, room), (0, 0)])
        self._held[:, :, self._used] = new
        self._used += 1
        return self._held[:, :, : self._used]

    def keep(self, rows: mx.array) -> None:
        """Go on with these rows only."""
        self._held = self._held[rows]

    @property
    def state(self) -> list[mx.array]:
        """What is to be evaluated."""
        return [self._held]


def joined_body(model: nn.Module, *, joint: bool) -> JoinedBody | None:
    """The body of a model of Llama's kind in float32, with its adapters beside its weights, if it has any; None of any other.
    `joint`: with a matrix of its own for queries, keys and values, (D, (Hq + 2 H) E) a layer."""
    plain = plain_body(model)
    if plain is None:
        return None
    layers = plain.bound
    if joint:
        layers = [BoundLayer.of(_with_joint(layer), plain.arrays) for layer in plain.layers]
    return JoinedBody(layers, plain, averaging(plain.norm))


def _with_joint(layer: PlainLayer) -> PlainLayer:
    weight = mx.concatenate(list(layer.asking.weights))
    return replace(layer, asking=replace(layer.asking, weights=(weight,)))


@partial(mx.compile, shapeless=True)
def _turned(first: mx.array, second: mx.array, cosine: mx.array, sine: mx.array) -> tuple[mx.array, mx.array]:
    return first * cosine - second * sine, first * sine + second * cosine


@partial(mx.compile, shapeless=True)
def _mass(scores: mx.array, best: mx.array) -> mx.array:
    return exponential(scores - best)


def decodes_joined(model: nn.Module, tokens: mx.array) -> bool:
    """Whether `joined_body` knows the model, and its steps give what a full forward pass gives."""
    length, steps = int(tokens.shape[1]) - 2, 2
    try:
        body = joined_body(model, joint=True)
        if body is None:
            return False
        caches = empty_caches(model)
        if not all(isinstance(cache, PrefixCache) and cache.window is None for cache in caches):
            return False
        model(tokens[:, :length], cache=caches)
        held = [JoinedCache(mx.concatenate([cache.keys, cache.values], axis=1), steps) for cache in caches]
        angles = body.angles(length + steps)
        places = [slice(place, place + 1) for place in range(length, length + steps)]
        found = [body(tokens[0, place], angles[place], held, None) for place in places]
        expected = cast("Any", model).model(tokens)[0, length:]
    except (UnsharableCacheError, AttributeError, KeyError, TypeError, ValueError, IndexError):
        return False
    return close(mx.concatenate(found), expected)
