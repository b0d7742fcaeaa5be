"""Where a model holds what it trains: found in one walk, read and written there.

MLX's `trainable_parameters`, `update`, `train` and `named_modules` build and flatten a tree of dictionaries at each call:
some 2 ms of a small step's 80. What they select, and in which order, is the same here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import mlx.core as mx
import mlx.nn as nn


class Place(NamedTuple):
    """Where an array stands: the module, list or dictionary that holds it, and its key there."""

    owner: Any
    key: Any

    def get(self) -> mx.array:
        """The array that stands there now."""
        return self.owner[self.key]


def trainable_places(model: nn.Module) -> dict[str, Place]:
    """Of each trainable array its place, by the name and in the order of `model.trainable_parameters()`, flat."""
    return dict(_inside(model, model, "", ""))


def trainable_arrays(model: nn.Module) -> dict[str, mx.array]:
    """The arrays of `model.trainable_parameters()`, flat."""
    return {name: place.get() for name, place in trainable_places(model).items()}


def put_arrays(model: nn.Module, arrays: Mapping[str, mx.array]) -> None:
    """Put `arrays` where trainable ones of these names stand. Raises KeyError where there is none."""
    places = trainable_places(model)
    put_at([places[name] for name in arrays], arrays.values())


def put_at(places: Iterable[Place], arrays: Iterable[mx.array]) -> None:
    """Each of `arrays` into the stead of what stands at its place."""
    for (owner, key), array in zip(places, arrays, strict=True):
        owner[key] = array


def named_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """`model` (its name is empty) and every module inside it, by dotted name."""
    waiting: list[tuple[str, Any]] = [("", model)]
    while waiting:
        name, holder = waiting.pop()
        if isinstance(holder, nn.Module):
            yield name, holder
        waiting += [
            (_name(name, key), value)
            for key, value in _items(holder)
            if isinstance(value, (dict, list))  # as modules are
        ]


def set_training(model: nn.Module, *, training: bool) -> None:
    """Training or evaluation mode for every module."""
    for _, module in named_modules(model):
        cast("Any", module)._set_training_mode(training)


def _inside(holder: Any, module: Any, name: str, key: str) -> Iterator[tuple[str, Place]]:
    """The trainable arrays in `holder`, which is `module` or stands in it under `key`; `name` is that of `holder`."""
    for own, value in _items(holder):
        known = (
            str(own) if holder is module else f"{key}.{own}"
        )  # by what a module's frozen arrays are listed
        if known.startswith("_") or known in module._no_grad:
            continue
        full = _name(name, own)
        if isinstance(value, mx.array):
            yield full, Place(holder, own)
        elif isinstance(value, nn.Module):
            yield from _inside(value, value, full, "")
        elif isinstance(value, (dict, list)):
            yield from _inside(value, module, full, known)


def _items(holder: Any) -> Iterable[tuple[Any, Any]]:
    return enumerate(cast("list[Any]", holder)) if isinstance(holder, list) else holder.items()


def _name(holder: str, key: Any) -> str:
    return f"{holder}.{key}" if holder else str(key)
