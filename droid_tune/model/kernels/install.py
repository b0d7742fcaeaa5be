"""Once for each kind of model: its layers ask which kernels are in force, where they called mlx-lm's functions.

mlx-lm's files import the functions by name, so the name in the file of a layer is what must be replaced, or the method
of a layer's class. It stays replaced; without a choice of this thread's the answer is the function that was there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import wraps
from types import ModuleType
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.tuner.lora import LoRALinear

from droid_tune.model.kernels.in_force import PLAIN, Kernels, in_force
from droid_tune.model.kernels.latent_attention import latent_attention
from droid_tune.model.kernels.lora_in_one import lora_in_one
from droid_tune.model.kernels.recurrence.asked import gated_delta_update, recurrent_gla, ssm_update, wkv7

MODELS = "mlx_lm.models."


def install(model: nn.Module) -> None:
    """Make the layers of `model`, and of every other model from the same files, ask. Again has no effect."""
    for file in _files_of(model):
        for name, (theirs, asking) in ASKING.items():
            if getattr(file, name, None) is theirs:
                setattr(file, name, asking)
        for name, ours in RECURRENCES.items():
            _let_ask(file, name, ours, _chunked)
    for kind in {type(module) for module in model.modules()}:
        for name, ours in METHODS.get(kind.__name__, {}).items():
            _let_ask(kind, name, ours, _chunked)
    _let_ask(LoRALinear, "__call__", lora_in_one, _joins_lora)


def goes_token_by_token(model: nn.Module) -> bool:
    """Whether a layer has a recurrence of mlx-lm's that is a loop over tokens and has no chunked form here."""
    return any(type(module).__name__ in LOOPS for module in model.modules())


def _let_ask(
    place: ModuleType | type, name: str, ours: Callable[..., Any], wanted: Callable[[Kernels], bool]
) -> None:
    """Put a function that asks in the place of mlx-lm's, if `place` has one of this name."""
    theirs = vars(place).get(name)
    if theirs is None or hasattr(theirs, "__wrapped__"):
        return

    @wraps(theirs)
    def asking(*arguments: Any, **named: Any) -> Any:
        if wanted(in_force()):
            return ours(theirs, *arguments, **named)
        return theirs(*arguments, **named)

    setattr(place, name, asking)


def _chunked(kernels: Kernels) -> bool:
    return kernels.chunked


def _joins_lora(kernels: Kernels) -> bool:
    return kernels.joins_lora


def _files_of(model: nn.Module) -> Iterator[ModuleType]:
    """The files of mlx-lm that the layers of `model` come from."""
    names = {type(module).__module__ for module in model.modules()}
    yield from (sys.modules[name] for name in sorted(names) if name.startswith(MODELS))


def _swiglu(gate: mx.array, x: mx.array) -> mx.array:
    return in_force().swiglu(gate, x)


def _attention(
    queries: mx.array, keys: Any, values: Any, cache: Any, scale: float, mask: Any, sinks: Any = None
) -> mx.array:
    return in_force().attention(queries, keys, values, cache, scale, mask, sinks)


#: name in a layer's file -> mlx-lm's function, and the one that asks
ASKING = {
    "swiglu": (PLAIN.swiglu, _swiglu),
    "scaled_dot_product_attention": (PLAIN.attention, _attention),
}
#: name in a layer's file -> ours, which takes the one that was there and its arguments
RECURRENCES = {
    "gated_delta_update": gated_delta_update,
    "ssm_update": ssm_update,
    "recurrent_gla": recurrent_gla,
}
#: layers of Mamba, Jamba and RecurrentGemma
LOOPS = {"MambaBlock", "JambaMambaMixer", "RGLRU"}
#: name of a layer's class -> name of its method -> ours, likewise
METHODS = {"Rwkv7TimeMixing": {"_wkv7": wkv7}, "KimiMLAAttention": {"__call__": latent_attention}}
