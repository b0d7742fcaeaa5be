"""The trainable arrays as a flat list, put into the model while a function of them runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten

from droid_tune.model.arrays import APART, flat_arrays, layers_of

Result = TypeVar("Result")


class Trainables:
    """Names and arrays of what a model trains, in one fixed order; without what is trained beside its adapter."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.layers_prefix = layers_prefix(model)
        everything = flat_arrays(model.trainable_parameters())
        arrays = {name: array for name, array in everything.items() if not name.startswith(APART)}
        self.names: list[str] = list(arrays)
        self.arrays: list[mx.array] = list(arrays.values())

    def tree(self, arrays: Sequence[mx.array]) -> dict[str, Any]:
        """`arrays`, one per name, in the shape of the model's parameter tree."""
        return tree_unflatten(list(zip(self.names, arrays, strict=True)))

    def using(self, arrays: Sequence[mx.array]) -> AbstractContextManager[None]:
        """The model computes with `arrays` inside, and with its own again afterwards."""
        return self._using(arrays)

    @contextmanager
    def _using(self, arrays: Sequence[mx.array]) -> Any:
        self._model.update(self.tree(arrays))
        try:
            yield
        finally:
            self._model.update(self.tree(self.arrays))

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
    for module in model.modules():
        for value in module.values():
            if isinstance(value, list) and value and value[0] is first:
                return value
    raise ValueError("the model's layers are not in a list")


def layers_prefix(model: nn.Module) -> str:
    """What the names of the layers' parameters begin with, such as `model.layers.`."""
    first = layers_of(model)[0]
    for name, module in model.named_modules():
        if module is first:
            return name.rpartition(".")[0] + "."
    raise ValueError("the model's layers are not among its modules")
