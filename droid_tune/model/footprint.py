"""What a model's numbers weigh while it runs: bytes per token, per row and per layer.

Counted from the modules themselves. Activations are an estimate: every projection's output twice (forward and
backward) and a few vectors of the hidden size per layer, which agrees with measured peaks of Llama models to a fifth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.cache import make_prompt_cache

from droid_tune.model.adapters import EMBEDDING, LINEAR, SWITCH, is_adapter
from droid_tune.model.policy import Policy

PROBE_TOKENS = 2
#: vectors of the hidden size that a layer keeps per token: residuals, norms and their inputs
HIDDEN_VECTORS = 8
#: what one layer needs at its worst moment, in units of what it keeps
TRANSIENT = 2.5


@dataclass(frozen=True)
class Footprint:
    """Bytes of one model; `held` is what one layer keeps of one token for the backward pass."""

    weights: int
    trained: int
    kv_per_token: int
    state_per_row: int
    hidden: int
    held: int
    layers: int
    query_heads: int
    vocabulary: int

    @property
    def steady(self) -> int:
        """Weights, gradient, its accumulator, and an optimizer with two moments."""
        return self.weights + 4 * self.trained


def footprint(policy: Policy) -> Footprint:
    """Measured and counted on the loaded model (one forward pass over two tokens)."""
    model = policy.model
    caches: list[Any] = make_prompt_cache(model)
    logits = model(mx.zeros((1, PROBE_TOKENS), dtype=mx.int32), cache=caches)
    mx.eval(logits)
    per_token, per_row = _cache_bytes(caches)
    layers: list[nn.Module] = list(model.layers)  # pyright: ignore[reportCallIssue, reportArgumentType]
    experts = int(policy.config.get("num_experts_per_tok") or 1)
    outputs = max(_output_width(layer, experts) for layer in layers)
    hidden = int(
        policy.config.get("hidden_size")
        or (policy.config.get("text_config") or {}).get("hidden_size")
        or 1024
    )
    size = logits.dtype.size
    return Footprint(
        weights=policy.weight_bytes,
        trained=policy.trainable_bytes,
        kv_per_token=per_token,
        state_per_row=per_row,
        hidden=hidden * size,
        held=size * (2 * outputs + HIDDEN_VECTORS * hidden),
        layers=len(layers),
        query_heads=int(policy.config.get("num_attention_heads") or 16),
        vocabulary=int(logits.shape[-1]),
    )


def _cache_bytes(caches: list[Any]) -> tuple[int, int]:
    """Bytes that grow with every token, and bytes of state per row, over all layers."""
    growing = state = 0
    for cache in caches:
        parts = cache.caches if hasattr(cache, "caches") else [cache]
        for part in parts:
            keys, values = getattr(part, "keys", None), getattr(part, "values", None)
            if isinstance(keys, mx.array) and isinstance(values, mx.array):
                growing += sum(array.nbytes // array.shape[2] for array in (keys, values))
            else:
                state += int(getattr(part, "nbytes", 0))
    return growing, state


def _output_width(layer: nn.Module, experts: int) -> int:
    """Numbers per token that a layer's projections put out."""
    width = 0
    for _, module in layer.named_modules():
        if is_adapter(module):
            continue
        if isinstance(module, SWITCH):
            width += experts * int(module.weight.shape[1])
        elif isinstance(module, LINEAR) and not isinstance(module, EMBEDDING):
            width += int(module.weight.shape[0])
    return width
