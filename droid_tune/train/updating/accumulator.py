"""Gradients summed over the slices of one update."""

from __future__ import annotations

from typing import Any, cast

import mlx.core as mx
from mlx.utils import tree_map

Tree = dict[str, Any]


class Accumulator:
    """Sums losses and gradients. The losses bring their own division, so the sum is what is applied."""

    def __init__(self) -> None:
        self.loss = 0.0
        self.gradients: Tree = {}

    def add(self, loss: float, gradients: Tree) -> None:
        """Adds a slice; evaluated at once, so that only one sum of gradients is held. Slices may be of different parts
        of the model (its adapter, a critic).

        No name holds the old sum meanwhile: its memory becomes the new one's.
        """
        self.loss += loss
        self.gradients = {
            name: _sum(self.gradients.get(name), gradients.get(name)) for name in self.gradients | gradients
        }
        mx.eval(self.gradients)


def _sum(known: Tree | None, part: Tree | None) -> Tree:
    """Of two trees of one part of the model, of which one may not be there."""
    if known is None or part is None:
        return known or part or {}
    return cast(Tree, tree_map(mx.add, known, part))


def divided(gradients: Tree, by: float) -> Tree:
    """Every gradient divided by one number."""

    def part(one: mx.array) -> mx.array:
        return one / by

    return cast(Tree, tree_map(part, gradients))
