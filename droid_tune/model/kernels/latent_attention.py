"""Kimi Linear's latent attention for rows of many tokens, its rotated part joined to the others.

mlx-lm's adds the products of the rotated parts as a mask of (heads, T, S) numbers, which is stored whole, and again for each
gradient. Joined to the queries and keys they are part of one product, which goes in blocks as all attention here does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx

from droid_tune.model.kernels.in_force import in_force


def latent_attention(
    theirs: Callable[..., mx.array], layer: Any, x: mx.array, mask: Any = None, cache: Any = None
) -> mx.array:
    """What `theirs` (`KimiMLAAttention`'s own `__call__`) makes of `x` (n, T, D); single tokens and other masks go its way."""
    if x.shape[1] == 1 or (mask is not None and getattr(mask, "dtype", None) != mx.bool_):
        return theirs(layer, x, mask, cache)
    rows, steps, _ = x.shape
    asked = layer.q_proj(x).reshape(rows, steps, layer.num_heads, layer.q_head_dim).swapaxes(1, 2)
    latent, rotated = mx.split(layer.kv_a_proj_with_mqa(x), [layer.kv_lora_rank], axis=-1)
    latent, rotated = layer.kv_a_layernorm(latent)[:, None], rotated[:, None]
    if cache is not None:
        latent, rotated = cache.update_and_fetch(latent, rotated)
    keys = layer.embed_q(latent, transpose=False)
    rotated = mx.broadcast_to(rotated, (*keys.shape[:3], rotated.shape[-1]))
    keys = mx.concatenate([keys, rotated], axis=-1)
    output = in_force().attention(asked, keys, layer.unembed_out(latent), cache, layer.scale, mask)
    return layer.o_proj(output.swapaxes(1, 2).reshape(rows, steps, -1))
