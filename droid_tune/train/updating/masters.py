"""Float32 copies of 16-bit weights that are trained in full: what an update adds is far below what they can hold.

bfloat16 keeps 8 bits of a number: an update smaller than a 256th of a weight is rounded away, and AdamW's second
moment at beta2 0.999 never falls. So gradient, moments and sum are float32, and the model gets the rounded result
(Micikevicius et al., arXiv 1710.03740). It costs 4 bytes for each trained number besides moments of 4 bytes each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_map

Tree = dict[str, Any]
NARROW = (mx.bfloat16, mx.float16)


def needs_masters(trainable: Mapping[str, mx.array]) -> bool:
    """Whether any trained weight is too narrow to be added to."""
    return any(array.dtype in NARROW for array in trainable.values())


class MasterWeights:
    """An optimizer whose steps are taken on float32 copies; called as MLX's optimizers are."""

    def __init__(self, optimizer: optim.Optimizer) -> None:
        self.inner = optimizer
        self._masters: Tree | None = None

    @property
    def state(self) -> Tree:
        """The inner optimizer's state and the copies, as one tree for a checkpoint."""
        return {"optimizer": self.inner.state, "masters": self._masters or {}}

    @state.setter
    def state(self, state: Tree) -> None:
        self.inner.state = state["optimizer"]
        self._masters = state.get("masters") or None

    def update(self, model: nn.Module, gradients: Tree) -> None:
        """One step: `gradients` is a tree of the model's trainable arrays."""
        weights = cast(Tree, model.trainable_parameters())
        masters = self._masters or _wide(weights)
        self._masters = cast(Tree, self.inner.apply_gradients(_wide(gradients), masters))
        model.update(cast(Tree, tree_map(_as_wide_as, self._masters, weights)))


def _as_wide_as(new: mx.array, old: mx.array) -> mx.array:
    return new.astype(old.dtype)


def _wide(tree: Tree) -> Tree:
    return cast(Tree, tree_map(_as_float32, tree))


def _as_float32(array: mx.array) -> mx.array:
    return array.astype(mx.float32)
