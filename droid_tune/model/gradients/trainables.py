"""The trainable arrays as a flat list, put into the model while a function of them runs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten

from droid_tune.model.arrays import APART, layers_of
from droid_tune.model.places import named_modules, put_at, trainable_places

Result = TypeVar("Result")


class Trainables:
    """Names and arrays of what a model trains, in one fixed order; without what is trained beside its adapter."""

    def __init__(self, model: nn.Module) -> None:
        self.layers_prefix = layers_prefix(model)
        places = {
            name: place for name, place in trainable_places(model).items() if not name.startswith(APART)
        }
        self.names: list[str] = list(places)
        self._places = list(places.values())
        self.arrays: list[mx.array] = [place.get() for place in self._places]

    def tree(self, arrays: Sequence[mx.array]) -> dict[str, Any]:
        """`arrays`, one per name, in the shape of the model's parameter tree."""
        return tree_unflatten(list(zip(self.names, arrays, strict=True)))

    @contextmanager
    def using(self, arrays: Sequence[mx.array]) -> Generator[None]:
        """The model computes with `arrays` inside, and with its own again afterwards."""
        put_at(self._places, arrays)
        try:
            yield
        finally:
            put_at(self._places, self.arrays)

    def call(self, arrays: Sequence[mx.array], function: Callable[[], Result]) -> Result:
        """`function()` while `arrays` stand in for the trainable parameters."""
        with self.using(arrays):
            return function()

    def zeros(self) -> list[mx.array]:
        """A zero of each parameter's shape and type, to add gradients to."""
        return [mx.zeros_like(array) for array in self.arrays]

    def outside_layers(self) -> list[int]:
        """Indices of what may act outside the layers: embeddings, final norm, head."""
        return [index for index, name in enumerate(self.names) if not name.startswith(self.layers_prefix)]


def layer_list(model: nn.Module) -> list[Any]:
    """The list itself that holds the model's layers (`model.layers` may be a copy of it)."""
    first = layers_of(model)[0]
    for _, module in named_modules(model):
        for value in module.values():
            if isinstance(value, list) and value and value[0] is first:
                return value
    raise ValueError("the model's layers are not in a list")


def layers_prefix(model: nn.Module) -> str:
    """What the names of the layers' parameters begin with, such as `model.layers.`."""
    first = layers_of(model)[0]
    for name, module in named_modules(model):
        if module is first:
            return name.rpartition(".")[0] + "."
    raise ValueError("the model's layers are not among its modules")
