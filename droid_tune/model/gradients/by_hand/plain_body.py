"""The body of a model of Llama's kind, taken apart: what a pass by hand needs of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from droid_tune.model.arrays import layers_of
from droid_tune.model.gradients.by_hand.joined_products import BoundProduct, LowRankPart, Product
from droid_tune.model.kernels.lean_attention import block_weights
from droid_tune.model.kernels.llama_parts import ASKING, is_llamas, linear_of


@dataclass(frozen=True)
class PlainLayer:
    """A layer's products (`asking`: queries, keys and values) and its norms."""

    asking: Product
    telling: Product
    gate: Product
    up: Product
    down: Product
    norms: tuple[nn.RMSNorm, nn.RMSNorm]

    @property
    def products(self) -> tuple[Product, ...]:
        """All of them."""
        return self.asking, self.telling, self.gate, self.up, self.down

    @property
    def trained(self) -> bool:
        """Whether one of them has an adapter."""
        return any(one.adapters for one in self.products)


@dataclass(frozen=True)
class BoundLayer:
    """A layer's products with the adapters that are in force, and its norms."""

    asking: BoundProduct
    telling: BoundProduct
    gate: BoundProduct
    up: BoundProduct
    down: BoundProduct
    norms: tuple[nn.RMSNorm, nn.RMSNorm]

    @classmethod
    def of(cls, layer: PlainLayer, arrays: Mapping[str, mx.array]) -> BoundLayer:
        """`layer` with adapters of these arrays."""
        asked, told, gate, up, down = (BoundProduct(product, arrays) for product in layer.products)
        return cls(asked, told, gate, up, down, layer.norms)


@dataclass(frozen=True)
class PlainBody:
    """Layers, and what they share: Hq heads of queries, H of keys, E wide, how places turn them."""

    layers: tuple[PlainLayer, ...]
    embedding: nn.Embedding
    norm: nn.RMSNorm
    heads: int
    key_heads: int
    width: int
    scale: float
    rope: nn.RoPE
    #: what is trained, by name
    arrays: dict[str, mx.array]

    @cached_property
    def bound(self) -> tuple[BoundLayer, ...]:
        """The layers with the adapters as they are now."""
        return tuple(BoundLayer.of(layer, self.arrays) for layer in self.layers)

    @cached_property
    def lowest(self) -> int:
        """The lowest layer that is trained; behind the last where none is."""
        return next((place for place, layer in enumerate(self.layers) if layer.trained), len(self.layers))

    def sees_at_once(self, rows: int, steps: int) -> bool:
        """Whether all attention weights of so many rows of so many tokens may exist at once."""
        return rows * self.heads * steps * steps <= block_weights()

    def tables(self, places: mx.array) -> tuple[mx.array, mx.array]:
        """Cosines and sines (K, Hq + 2 H, E) of tokens at these `places` (K,), those of queries times the attention's scale;
        values stay as they are."""
        half = self.width // 2
        rates = mx.exp(mx.arange(half) * (-math.log(self.rope.base) / half))
        angles = (places * self.rope.scale)[:, None] * rates
        heads = mx.arange(self.heads + 2 * self.key_heads)[:, None]
        scale = mx.where(heads < self.heads, self.scale, 1.0)
        turned = mx.where(heads < self.heads + self.key_heads, scale, 0.0)
        cosine, sine = (mx.tile(part(angles), 2)[:, None] for part in (mx.cos, mx.sin))
        return cosine * turned + (scale - turned), sine * turned

    def crossing(self) -> mx.array:
        """(E, E): what changes a head's halves over, the second with its sign turned."""
        half = self.width // 2
        one, none = mx.eye(half), mx.zeros((half, half))
        rows = [mx.concatenate([none, one], axis=1), mx.concatenate([-one, none], axis=1)]
        return mx.concatenate(rows, axis=0)


def plain_body(model: nn.Module) -> PlainBody | None:
    """The body of a model of Llama's kind in float32, with LoRA beside some of its weights, or none; None of any other."""
    body: Any = getattr(model, "model", None)
    norm, embedding = getattr(body, "norm", None), getattr(body, "embed_tokens", None)
    if type(norm) is not nn.RMSNorm or type(embedding) is not nn.Embedding:
        return None
    blocks: list[Any] = layers_of(model)
    if (
        embedding.weight.dtype != mx.float32
        or not blocks
        or not all(is_llamas(block, _is_float32) for block in blocks)
    ):
        return None
    first = blocks[0].self_attn
    rope, heads = first.rope, int(first.n_heads)
    width = linear_of(first.q_proj).weight.shape[0] // heads
    if rope.traditional or rope.dims != width or len({_turning(block) for block in blocks}) > 1:
        return None
    arrays: dict[str, mx.array] = {}
    layers = tuple(_layer(block, f"model.layers.{place}.", arrays) for place, block in enumerate(blocks))
    key_heads = int(first.n_kv_heads)
    return PlainBody(layers, embedding, norm, heads, key_heads, width, float(first.scale), rope, arrays)


def _is_float32(part: Any) -> bool:
    """Whether a layer is a plain one, or LoRA beside one, in float32."""
    linear = linear_of(part)
    if type(linear) is not nn.Linear:
        return False
    arrays = [linear.weight, *([] if linear is part else [part.lora_a, part.lora_b])]
    return all(array.dtype == mx.float32 for array in arrays)


def _turning(block: Any) -> tuple[float, float, int, float]:
    attention = block.self_attn
    return attention.rope.base, attention.rope.scale, attention.rope.dims, attention.scale


def _layer(block: Any, prefix: str, arrays: dict[str, mx.array]) -> PlainLayer:
    attention, mlp = block.self_attn, block.mlp
    return PlainLayer(
        _product(attention, f"{prefix}self_attn.", arrays, *ASKING),
        _product(attention, f"{prefix}self_attn.", arrays, "o_proj"),
        _product(mlp, f"{prefix}mlp.", arrays, "gate_proj"),
        _product(mlp, f"{prefix}mlp.", arrays, "up_proj"),
        _product(mlp, f"{prefix}mlp.", arrays, "down_proj"),
        (block.input_layernorm, block.post_attention_layernorm),
    )


def _product(module: Any, prefix: str, arrays: dict[str, mx.array], *names: str) -> Product:
    """A joint product of a module's parts; their adapters are added to `arrays`."""
    parts = [module[name] for name in names]
    linears = [linear_of(part) for part in parts]
    adapters: list[LowRankPart] = []
    start = 0
    for name, part, linear in zip(names, parts, linears, strict=True):
        stop = start + int(linear.weight.shape[0])
        if linear is not part:
            a, b = f"{prefix}{name}.lora_a", f"{prefix}{name}.lora_b"
            arrays |= {a: part.lora_a, b: part.lora_b}
            adapters.append(LowRankPart(a, b, float(part.scale), start, stop))
        start = stop
    biases = [linear.bias for linear in linears if "bias" in linear]
    bias = mx.concatenate(biases) if biases else None
    return Product(tuple(linear.weight for linear in linears), bias, tuple(adapters))
