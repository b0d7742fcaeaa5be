"""What a layer of Llama's kind is made of, for the passes that are written out for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.tuner.lora import LoRALinear

#: the modules of a layer, and of its two halves
PARTS = {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}
ASKING = ("q_proj", "k_proj", "v_proj")
ATTENTION = {*ASKING, "o_proj", "rope"}
MLP = {"gate_proj", "up_proj", "down_proj"}


def is_llamas(block: Any, knows: Callable[[Any], bool]) -> bool:
    """Whether a layer has these modules and no others, with linear layers that the caller `knows`. What it does with them is
    to be proven on the loaded weights."""
    if not (
        _consists_of(block, PARTS)
        and _consists_of(block.self_attn, ATTENTION)
        and _consists_of(block.mlp, MLP)
    ):
        return False
    attention, mlp = block.self_attn, block.mlp
    asking = [attention[name] for name in ASKING]
    others = [attention.o_proj, *(mlp[name] for name in MLP)]
    norms = (block.input_layernorm, block.post_attention_layernorm)
    return (
        all(knows(part) for part in (*asking, *others))
        and not any("bias" in linear_of(part) for part in others)
        and len({"bias" in linear_of(part) for part in asking}) == 1
        and all(type(norm) is nn.RMSNorm for norm in norms)
        and type(attention.rope) is nn.RoPE
    )


def linear_of(part: Any) -> Any:
    """A layer without the LoRA beside it."""
    return part.linear if type(part) is LoRALinear else part


def _consists_of(module: Any, names: set[str]) -> bool:
    return isinstance(module, nn.Module) and set(module.children()) == names


# -- a norm in three operations, the sum of squares by a product ---------------------------------------------------------


def averaging(norm: nn.RMSNorm) -> mx.array:
    """(D, 1): a product with it is the mean of a token's D numbers."""
    width = int(norm.weight.shape[0])
    return mx.full((width, 1), 1 / width)


def rate_of(norm: nn.RMSNorm, hidden: mx.array, mean: mx.array) -> mx.array:
    """(N, 1): what `norm` divides each token of `hidden` (N, D) by, the other way round; `mean` as `averaging` gives it."""
    return _rate(mx.square(hidden) @ mean, norm.eps)


@partial(mx.compile, shapeless=True)
def scaled(hidden: mx.array, rate: mx.array, weight: mx.array) -> mx.array:
    """The norm (N, D) of tokens with their rates (N, 1), by its weight (D,)."""
    return hidden * rate * weight


@partial(mx.compile, shapeless=True)
def _rate(mean_square: mx.array, eps: float) -> mx.array:
    return mx.rsqrt(mean_square + eps)
