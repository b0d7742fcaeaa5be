"""Products of tokens with frozen weights and their adapters, forth and back, in few operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mlx.core as mx


@dataclass(frozen=True)
class LowRankPart:
    """One layer's adapter in a joint product: the names of its arrays, its scale, and its columns of the output."""

    a: str
    b: str
    scale: float
    start: int
    stop: int


@dataclass(frozen=True)
class Product:
    """Weights (O, I) of one layer or of several side by side, frozen and of float32, with what is trained beside them."""

    weights: tuple[mx.array, ...]
    bias: mx.array | None
    adapters: tuple[LowRankPart, ...]

    @property
    def outward(self) -> int:
        """O."""
        return sum(int(weight.shape[0]) for weight in self.weights)


class BoundProduct:
    """A product with the adapters that are in force; those of several layers are one pair, each b in its own columns."""

    def __init__(self, product: Product, arrays: Mapping[str, mx.array]) -> None:
        self._product, self._ranks = product, [int(arrays[one.a].shape[1]) for one in product.adapters]
        self._a = self._b = None
        self._turned = [weight.T for weight in product.weights]
        if product.adapters:
            outward = product.outward
            scaled = [
                mx.pad(one.scale * arrays[one.b], [(0, 0), (one.start, outward - one.stop)])
                for one in product.adapters
            ]
            self._a = _joined([arrays[one.a] for one in product.adapters], axis=1)
            self._b = _joined(scaled, axis=0)

    @property
    def _weight(self) -> mx.array:
        """(O, I); several are put side by side anew each time, which is kept by nothing."""
        return _joined(self._product.weights, axis=0)

    def forward(self, inputs: mx.array, given: mx.array | None = None) -> mx.array:
        """(N, O) of `inputs` (N, I), added to `given` where there is one."""
        given = self._product.bias if given is None else given
        if self._a is None or self._b is None:
            return self._by_weights(inputs, given)
        if self._is_one(inputs):
            return _added(given, inputs, mx.addmm(self._weight, self._b.T, self._a.T).T)
        return mx.addmm(self._by_weights(inputs, given), inputs @ self._a, self._b)

    def _by_weights(self, inputs: mx.array, given: mx.array | None) -> mx.array:
        """Those of several layers one by one, where their outputs are smaller than they are."""
        if len(self._turned) == 1:
            return _added(given, inputs, self._turned[0])
        if inputs.shape[0] >= inputs.shape[1]:
            return _added(given, inputs, self._weight.T)
        made = mx.concatenate([inputs @ turned for turned in self._turned], axis=1)
        return made if given is None else made + given

    def by_inputs(self, gradient: mx.array, given: mx.array | None = None) -> mx.array:
        """The gradient by the inputs (N, I), from that by the output (N, O), added to `given` where there is one."""
        if self._a is None or self._b is None:
            return _added(given, gradient, self._weight)
        if self._is_one(gradient):
            return _added(given, gradient, mx.addmm(self._weight, self._b.T, self._a.T))
        return mx.addmm(_added(given, gradient, self._weight), gradient @ self._b.T, self._a.T)

    def by_adapters(self, inputs: mx.array, gradient: mx.array) -> dict[str, mx.array]:
        """The gradient by what is trained, by name."""
        if self._a is None or self._b is None:
            return {}
        by_a, by_b = inputs.T @ (gradient @ self._b.T), (inputs @ self._a).T @ gradient
        found: dict[str, mx.array] = {}
        row = 0
        for one, rank in zip(self._product.adapters, self._ranks, strict=True):
            found[one.a] = by_a[:, row : row + rank]
            found[one.b] = one.scale * by_b[row : row + rank, one.start : one.stop]
            row += rank
        return found

    def _is_one(self, tokens: mx.array) -> bool:
        """Whether weights and adapters pay as one matrix: where the tokens outnumber its rows and columns (see `lora_in_one`)."""
        outward, inward = self._product.outward, int(self._product.weights[0].shape[1])
        return tokens.shape[0] * (inward + outward) >= 2 * inward * outward


def _joined(parts: Sequence[mx.array], axis: int) -> mx.array:
    return parts[0] if len(parts) == 1 else mx.concatenate(list(parts), axis=axis)


def _added(given: mx.array | None, left: mx.array, right: mx.array) -> mx.array:
    return left @ right if given is None else mx.addmm(given, left, right)
