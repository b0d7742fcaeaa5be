"""Back-propagation one layer at a time: only one layer's activations exist at any moment.

The forward pass keeps each layer's input and nothing else. The backward pass takes the layers from last to first, runs
each again with its gradient, evaluates, and hands the gradient by the input to the layer below. That costs one more
forward pass and makes memory independent of the depth. The model's own body decides masks and caches; its layers are
only listened to.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from droid_tune.model.arrays import close
from droid_tune.model.caches.prefix import (
    Leaves,
    UnsharableCacheError,
    caches_with,
    empty_caches,
    flat_leaves,
    own_leaves,
)
from droid_tune.model.gradients.trainables import Trainables, layer_list
from droid_tune.model.places import put_at, trainable_places


class LayerOrderError(Exception):
    """The model does more between its layers than hand one's output to the next."""


@dataclass
class _Call:
    """One layer's call: its input, what it gave, and the other arguments, None standing where the cache was."""

    given: mx.array
    output: mx.array
    arguments: list[Any]
    named: dict[str, Any]
    cache_at: int | str | None


class _Listener:
    """In a layer's place: passes the call on and notes it. Other attributes are the layer's."""

    def __init__(self, layer: nn.Module, hear: Callable[..., mx.array]) -> None:
        self._layer, self._hear = layer, hear

    def __call__(self, *arguments: Any, **named: Any) -> mx.array:
        return self._hear(self._layer, *arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)


class LayerPass:
    """A body's pass over `tokens` (n, T) that can be pulled back layer by layer, like a `Pullback`.

    `results` are the hidden states (n, T, D) and, flat, what it leaves in its caches. With `leaves` the rows continue the
    prompt they were read from, and what they leave counts only where it `keeps` it; `fresh` makes the caches where they
    are not the usual empty ones. `pull` gives the gradient by every trainable, then by every given leaf.
    """

    def __init__(
        self,
        model: nn.Module,
        body: Callable[..., mx.array],
        trainables: Trainables,
        tokens: mx.array,
        leaves: Leaves | None = None,
        seed: int | None = None,
        fresh: Callable[[], list[Any]] | None = None,
        *,
        keeps: bool = False,
    ) -> None:
        self._model, self._body, self.trainables, self._tokens = model, body, trainables, tokens
        self._leaves, self._seed = leaves, seed
        self._fresh = fresh or (lambda: empty_caches(model))
        self._layers = layer_list(model)
        self._calls: list[_Call] = []
        caches = self._caches()
        with self._listening(lambda index, layer: self._hearing(index, layer, caches[index])):
            self.hidden = body(tokens, cache=caches)
        self.leaves_after: Leaves = own_leaves(caches) if leaves is None or keeps else []
        if len(self._calls) != len(self._layers):
            raise LayerOrderError
        self.results = [self.hidden, *flat_leaves(self.leaves_after)]
        mx.eval(self.results)

    def _caches(self) -> list[Any]:
        if self._leaves is None:
            return self._fresh()
        return caches_with(self._model, self._leaves, int(self._tokens.shape[0]))

    @contextmanager
    def _listening(self, hearing: Callable[[int, nn.Module], Callable[..., mx.array]]) -> Generator[None]:
        originals = list(self._layers)
        self._layers[:] = [_Listener(layer, hearing(index, layer)) for index, layer in enumerate(originals)]
        try:
            yield
        finally:
            self._layers[:] = originals

    def _hearing(self, index: int, layer: nn.Module, cache: Any) -> Callable[..., mx.array]:
        def hear(_: nn.Module, given: mx.array, *arguments: Any, **named: Any) -> mx.array:
            if len(self._calls) != index or (index and given is not self._calls[-1].output):
                raise LayerOrderError
            self._reseed(index)
            output = layer(given, *arguments, **named)
            if not isinstance(output, mx.array):
                raise LayerOrderError
            self._calls.append(_noted(given, output, arguments, named, cache))
            mx.eval(output)
            return output

        return hear

    def _reseed(self, index: int) -> None:
        if self._seed is not None:
            mx.random.seed((self._seed + 0x9E3779B97F4A7C15 * (index + 1)) % 2**64)

    def pull(self, cotangents: Sequence[mx.array]) -> list[mx.array]:
        """Gradient by trainables and given leaves of sum(results * cotangents); further cotangents may be left out."""
        by_name: dict[str, mx.array] = {}
        by_leaf: list[list[mx.array]] = []
        gradient = self._through_tail(cotangents[0], by_name)
        after = _shaped(cotangents[1:], self.leaves_after) if len(cotangents) > 1 else None
        for index in reversed(range(len(self._calls))):
            gradient, of_leaves = self._through_layer(index, gradient, after[index] if after else [], by_name)
            by_leaf.insert(0, of_leaves)
        self._through_front(gradient, by_name)
        self._calls.clear()
        grads = [
            by_name[name] if name in by_name else mx.zeros_like(array)
            for name, array in zip(self.trainables.names, self.trainables.arrays, strict=True)
        ]
        return [*grads, *(leaf for layer in by_leaf for leaf in layer)]

    def _through_layer(
        self, index: int, gradient: mx.array, after: Sequence[mx.array], by_name: dict[str, mx.array]
    ) -> tuple[mx.array, list[mx.array]]:
        """Back through one layer: the gradient by its input and by its leaves; its weights' goes to `by_name`."""
        layer, call = self._layers[index], self._calls[index]
        places = trainable_places(layer)
        names, weights = list(places), [place.get() for place in places.values()]
        own = [leaf for leaf in self._leaves[index] if leaf is not None] if self._leaves is not None else []

        def run(*primals: mx.array) -> list[mx.array]:
            cache = self._cache_of(index, list(primals[1 + len(weights) :]))
            put_at(places.values(), primals[1 : 1 + len(weights)])
            self._reseed(index)
            output = _called(layer, primals[0], call, cache)
            results = [output, *flat_leaves(own_leaves([cache]))[: len(after)]]
            return [result.astype(mx.float32) for result in results]

        try:
            _, pulled = mx.vjp(run, [call.given, *weights, *own], [wide(gradient), *map(wide, after)])
        finally:
            put_at(places.values(), weights)
        mx.eval(pulled)
        prefix = f"{self.trainables.layers_prefix}{index}."
        by_name.update({prefix + name: pulled[1 + place] for place, name in enumerate(names)})
        return pulled[0], pulled[1 + len(weights) :]

    def _cache_of(self, index: int, own: list[mx.array]) -> Any:
        """A fresh cache of one layer, holding the leaves `own`."""
        if self._leaves is None:
            return self._fresh()[index]
        given = iter(own)
        leaves: Leaves = [
            [None if leaf is None else (next(given) if place == index else leaf) for leaf in layer]
            for place, layer in enumerate(self._leaves)
        ]
        return caches_with(self._model, leaves, int(self._tokens.shape[0]))[index]

    def _through_tail(self, gradient: mx.array, by_name: dict[str, mx.array]) -> mx.array:
        """Back through what follows the last layer (the final norm)."""
        last = self._calls[-1].output

        def run(output: mx.array) -> mx.array:
            final = len(self._calls) - 1

            def passing(index: int, _: nn.Module) -> Callable[..., mx.array]:
                def hear(__: nn.Module, given: mx.array, *___: Any, **____: Any) -> mx.array:
                    return output if index == final else given

                return hear

            with self._listening(passing):
                return self._body(self._tokens, cache=self._caches())

        return self._pull_outside(run, last, gradient, by_name)

    def _through_front(self, gradient: mx.array, by_name: dict[str, mx.array]) -> None:
        """Back through what precedes the first layer (the embeddings), where something is trained there."""
        if not self.trainables.outside_layers():
            return

        def run(_: mx.array) -> mx.array:
            caught: list[mx.array] = []

            def catching(index: int, __: nn.Module) -> Callable[..., mx.array]:
                def hear(___: nn.Module, given: mx.array, *____: Any, **_____: Any) -> mx.array:
                    if index == 0:
                        caught.append(given)
                    return given

                return hear

            with self._listening(catching):
                self._body(self._tokens, cache=self._caches())
            return caught[0]

        self._pull_outside(run, mx.zeros((1,)), gradient, by_name)

    def _pull_outside(
        self,
        run: Callable[[mx.array], mx.array],
        given: mx.array,
        gradient: mx.array,
        by_name: dict[str, mx.array],
    ) -> mx.array:
        indices = self.trainables.outside_layers()
        weights = [self.trainables.arrays[index] for index in indices]

        def function(*primals: mx.array) -> list[mx.array]:
            arrays = list(self.trainables.arrays)
            for index, array in zip(indices, primals[1:], strict=True):
                arrays[index] = array
            return [self.trainables.call(arrays, lambda: run(primals[0])).astype(mx.float32)]

        _, pulled = mx.vjp(function, [given, *weights], [wide(gradient)])
        mx.eval(pulled)
        for index, own in zip(indices, pulled[1:], strict=True):
            name = self.trainables.names[index]
            by_name[name] = by_name[name] + own if name in by_name else own
        return pulled[0]


def _noted(
    given: mx.array, output: mx.array, arguments: Sequence[Any], named: dict[str, Any], cache: Any
) -> _Call:
    """The call without its cache; anything that could carry a gradient past the layer's input is refused."""
    cache_at: int | str | None = None
    others: list[Any] = []
    for place, value in enumerate(arguments):
        cache_at = place if value is cache else cache_at
        others.append(None if value is cache else value)
    kept: dict[str, Any] = {}
    for name, value in named.items():
        cache_at = name if value is cache else cache_at
        kept[name] = None if value is cache else value
    for value in [*others, *kept.values()]:
        constant = value is None or isinstance(value, str | int | float | bool)
        if not constant and not (isinstance(value, mx.array) and value.dtype == mx.bool_):
            raise LayerOrderError
    return _Call(given, output, others, kept, cache_at)


def _called(layer: nn.Module, given: mx.array, call: _Call, cache: Any) -> mx.array:
    arguments, named = list(call.arguments), dict(call.named)
    if isinstance(call.cache_at, int):
        arguments[call.cache_at] = cache
    elif call.cache_at is not None:
        named[call.cache_at] = cache
    return layer(given, *arguments, **named)


def _shaped(flat: Sequence[mx.array], like: Leaves) -> list[list[mx.array]]:
    """A flat list of arrays, split by layer as `like` is."""
    remaining = iter(flat)
    return [[next(remaining) for leaf in layer if leaf is not None] for layer in like]


def passes_layer_by_layer(model: nn.Module, body: Callable[..., mx.array], tokens: mx.array) -> bool:
    """Whether a `LayerPass` gives what the body gives."""
    try:
        found = LayerPass(model, body, Trainables(model), tokens)
    except (
        LayerOrderError,
        UnsharableCacheError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        IndexError,
    ):
        return False
    return close(found.hidden, body(tokens, cache=None))


def wide(array: mx.array) -> mx.array:
    """Float32, the type of all cotangents that we hand over."""
    return array.astype(mx.float32)
