"""Once for each kind of model: its layers ask which kernels are in force, where they called mlx-lm's functions.

mlx-lm's files import the functions by name, so the name in the file of a layer is what must be replaced. It stays
replaced; without a choice of this thread's the answer is the function that was there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from droid_tune.model.kernels.in_force import PLAIN, in_force

MODELS = "mlx_lm.models."


def install(model: nn.Module) -> None:
    """Make the layers of `model`, and of every other model from the same files, ask. Again has no effect."""
    for file in _files_of(model):
        for name, (theirs, asking) in ASKING.items():
            if getattr(file, name, None) is theirs:
                setattr(file, name, asking)


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
