"""A loaded model's sizes for the memory formulas of `droid_tune.estimate`: counted, not guessed.

The window's estimate has only the files' headers to go by; here the arrays and the caches themselves are asked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models.cache import make_prompt_cache

from droid_tune.config import RunConfig
from droid_tune.estimate.sizes import Sizes, sizes_of, trained_copies
from droid_tune.model.arrays import APART
from droid_tune.model.policy import Policy
from droid_tune.model_files.facts import ModelFacts
from droid_tune.model_files.headers import Tensor
from droid_tune.model_files.read_facts import facts_of

PROBE_TOKENS = 2
#: types as safetensors spells them
DTYPES = {mx.float32: "F32", mx.float16: "F16", mx.bfloat16: "BF16", mx.uint32: "U32", mx.uint8: "U8"}
#: what an adapter puts around a layer and into it
WRAPPERS = (".linear.", ".embedding.")
ADAPTER_ARRAYS = ("lora_a", "lora_b", "m")


def device_name() -> str:
    """`metal` where MLX computes on a GPU, else `cpu`: what the formulas tell apart."""
    return "metal" if mx.default_device() == mx.gpu else "cpu"


def footprint(policy: Policy, config: RunConfig | None = None) -> Sizes:
    """Sizes of a loaded policy under a run's settings (one forward pass over two tokens)."""
    settings = (config or RunConfig()).model_copy(update={"adapter": policy.adapter})
    caches: list[Any] = make_prompt_cache(policy.model)
    logits = policy.model(mx.zeros((1, PROBE_TOKENS), dtype=mx.int32), cache=caches)
    mx.eval(logits)
    per_token, per_row = _cache_bytes(caches)
    counted = sizes_of(settings, facts_of_policy(policy), device_name())
    own, copies = policy.trainable_bytes, trained_copies(settings)
    trained = copies * own
    share = trained / counted.trained if counted.trained else 0.0
    added = 0 if counted.full else own
    return replace(
        counted,
        weights=policy.weight_bytes - added,
        adapters=added + (copies - 1) * own,
        trained=trained,
        optimizer=round(share * counted.optimizer),
        reference=round(share * counted.reference),
        vocabulary=int(logits.shape[-1]),
        cache_per_token=per_token,
        state_per_row=per_row,
        shares_prompts=policy.architecture.shares_prompts,
        layer_wise=policy.architecture.layer_wise,
    )


def facts_of_policy(policy: Policy) -> ModelFacts:
    """The model's facts from its own arrays, with the adapter's left out."""
    tensors = [
        Tensor(_plain(name), DTYPES.get(array.dtype, "F32"), tuple(array.shape))
        for name, array in cast("list[tuple[str, mx.array]]", tree_flatten(policy.model.parameters()))
        if name.rsplit(".", 1)[-1] not in ADAPTER_ARRAYS and not name.startswith(APART)
    ]
    return facts_of(policy.config, tuple(tensors))


def _plain(name: str) -> str:
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, ".")
    return name


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
