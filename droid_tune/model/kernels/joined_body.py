"""A decoding step of a plain transformer in few operations: for small models, whose steps cost calls, not arithmetic.

Queries, keys and values are one product, turned by one table of angles in one kernel (values by an angle of 0), written at
once, and attended to in one softmax over prompt and completion; sums are made inside products where they can be. What mlx-lm
does in 175 operations a layer is done in 47 so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn

from droid_tune.estimate.memory import COMPLETION_BLOCK
from droid_tune.model.arrays import close, layers_of
from droid_tune.model.caches.prefix import PrefixCache, UnsharableCacheError, empty_caches
from droid_tune.model.kernels.in_force import in_force
from droid_tune.model.kernels.llama_parts import ASKING, is_llamas
from droid_tune.numerics import exponential


@dataclass(frozen=True)
class JoinedLayer:
    """A layer's matrices, as they are multiplied from the right: queries (scaled), keys and values (D, (Hq + 2 H) E) in one."""

    inward: mx.array
    bias: mx.array | None
    outward: mx.array
    gate: mx.array
    up: mx.array
    down: mx.array
    norms: tuple[nn.RMSNorm, nn.RMSNorm]


@dataclass(frozen=True)
class JoinedBody:
    """All layers, and what they share: heads of queries and of keys, their width, how places turn them."""

    layers: list[JoinedLayer]
    embedding: nn.Embedding
    norm: nn.RMSNorm
    heads: int
    key_heads: int
    width: int
    rope: nn.RoPE
    ones: mx.array

    def angles(self, places: int) -> mx.array:
        """Cosines and sines (places, 2, Hq + 2 H, E / 2) of the first places; values stay as they are."""
        half, turned = self.width // 2, self.heads + self.key_heads
        steps = mx.exp(mx.arange(half) * (-math.log(self.rope.base) / half))
        angle = (mx.arange(places) * self.rope.scale)[:, None] * steps
        every = mx.where((mx.arange(turned + self.key_heads) < turned)[:, None], angle[:, None], 0.0)
        return mx.stack([mx.cos(every), mx.sin(every)], axis=1)

    def __call__(
        self, tokens: mx.array, angles: mx.array, caches: Sequence[JoinedCache], hidden_keys: mx.array | None
    ) -> mx.array:
        """Hidden states (n, D) behind one further token of each row (n,). `angles` (n or 1, 2, Hq + 2 H, E / 2) are those of
        its place; `hidden_keys` (n, 1, 1, s): -inf where a row has no token, else 0; None: it has all."""
        hidden = self.embedding(tokens)
        cosine, sine = angles[:, 0], angles[:, 1]
        for layer, cache in zip(self.layers, caches, strict=True):
            asked = self._normed(layer.norms[0], hidden)
            made = asked @ layer.inward if layer.bias is None else mx.addmm(layer.bias, asked, layer.inward)
            told = self._attended(made, cosine, sine, cache, hidden_keys)
            hidden = mx.addmm(hidden, told, layer.outward)
            read = self._normed(layer.norms[1], hidden)
            hidden = mx.addmm(hidden, in_force().swiglu(read @ layer.gate, read @ layer.up), layer.down)
        return self._normed(self.norm, hidden)

    def _normed(self, norm: nn.RMSNorm, hidden: mx.array) -> mx.array:
        """As `norm` does it, the sum of squares by a product."""
        return _scaled(hidden, _rate(mx.square(hidden) @ self.ones, norm.eps), norm.weight)

    def _attended(
        self,
        made: mx.array,
        cosine: mx.array,
        sine: mx.array,
        cache: JoinedCache,
        hidden_keys: mx.array | None,
    ) -> mx.array:
        """Attention output (n, Hq E) of what a layer's first product made of its newest tokens (n, (Hq + 2 H) E)."""
        count, keys = made.shape[0], self.key_heads
        halves = made.reshape(count, self.heads + 2 * keys, 2, self.width // 2)
        turned = mx.concatenate([*_turned(halves[:, :, 0], halves[:, :, 1], cosine, sine)], axis=-1)
        held = cache.with_token(turned[:, self.heads :])
        queries = turned[:, : self.heads].reshape(count, keys, self.heads // keys, self.width)
        scores = queries @ held[:, :keys].swapaxes(-1, -2)
        scores = scores if hidden_keys is None else scores + hidden_keys
        mass = _mass(scores, scores.max(axis=-1, keepdims=True))
        told = (mass @ held[:, keys:]) / mass.sum(axis=-1, keepdims=True)
        return told.reshape(count, -1)


class JoinedCache:
    """One layer's keys and values (n, 2 H, s, E) of rows that each have their prompt to themselves: prompts, padded to one
    length, then what the rows add, all equally far. There is room for `most` added tokens, made by blocks."""

    def __init__(self, prompts: mx.array, most: int, block: int = COMPLETION_BLOCK) -> None:
        self._held, self._used, self._most, self._block = prompts, int(prompts.shape[2]), most, block
        self._begin = self._used

    def with_token(self, new: mx.array) -> mx.array:
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


def joined_body(model: nn.Module) -> JoinedBody | None:
    """The body of a model of Llama's kind in float32, with no adapter beside its weights; None of any other."""
    body: Any = getattr(model, "model", None)
    norm, embedding = getattr(body, "norm", None), getattr(body, "embed_tokens", None)
    if type(norm) is not nn.RMSNorm or type(embedding) is not nn.Embedding:
        return None
    blocks: list[Any] = layers_of(model)
    if not blocks or not all(is_llamas(block, _is_float32) for block in blocks):
        return None
    first = blocks[0].self_attn
    heads, key_heads = int(first.n_heads), int(first.n_kv_heads)
    width = first.q_proj.weight.shape[0] // heads
    rope = first.rope
    if rope.traditional or rope.dims != width or any(_rope(block) != _rope(blocks[0]) for block in blocks):
        return None
    size = int(norm.weight.shape[0])
    return JoinedBody(
        [_joined(block) for block in blocks],
        embedding,
        norm,
        heads,
        key_heads,
        width,
        rope,
        mx.full((size, 1), 1 / size),
    )


def _is_float32(part: Any) -> bool:
    """Whether a layer is a plain one in float32, with no adapter beside it."""
    return type(part) is nn.Linear and part.weight.dtype == mx.float32


def _rope(block: Any) -> tuple[float, float, int]:
    return block.self_attn.rope.base, block.self_attn.rope.scale, block.self_attn.rope.dims


def _joined(block: Any) -> JoinedLayer:
    attention, mlp = block.self_attn, block.mlp
    asking = [attention[name] for name in ASKING]
    scales = (attention.scale, 1.0, 1.0)
    inward = mx.concatenate([part.weight * scale for part, scale in zip(asking, scales, strict=True)]).T
    biases = [part.bias * scale for part, scale in zip(asking, scales, strict=True) if "bias" in part]
    return JoinedLayer(
        inward,
        mx.concatenate(biases) if biases else None,
        attention.o_proj.weight.T,
        mlp.gate_proj.weight.T,
        mlp.up_proj.weight.T,
        mlp.down_proj.weight.T,
        (block.input_layernorm, block.post_attention_layernorm),
    )


@partial(mx.compile, shapeless=True)
def _rate(mean_square: mx.array, eps: float) -> mx.array:
    return mx.rsqrt(mean_square + eps)


@partial(mx.compile, shapeless=True)
def _scaled(hidden: mx.array, rate: mx.array, weight: mx.array) -> mx.array:
    return hidden * rate * weight


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
        body = joined_body(model)
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
