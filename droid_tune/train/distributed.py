"""Several processes (on one Mac or several) train one model: data-parallel over whole groups.

Rank r of W samples, judges and scores the groups r, r + W, r + 2W, ...; then every rank knows the whole rollout, and
what is computed of it (advantages, normalisers, metrics) is the same numbers as in one process. Each rank adds up the
gradient of its own rows; the sum over ranks is the gradient of the whole batch. Started by `mlx.launch`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Protocol, cast

import mlx.core as mx
import numpy as np
from mlx.utils import tree_map
from numpy.typing import NDArray

from droid_tune.errors import UserError

Array = NDArray[Any]


class World:
    """The ranks of a run. Of one process, every method gives back what it was given."""

    def __init__(self, group: Any = None) -> None:
        self._group = group
        self.rank = 0 if group is None else int(group.rank())
        self.size = 1 if group is None else int(group.size())

    @property
    def alone(self) -> bool:
        return self.size == 1

    @property
    def leads(self) -> bool:
        """Rank 0 alone writes and tells."""
        return self.rank == 0

    def own_groups(self, groups: int) -> Array:
        """The numbers of this rank's groups."""
        return np.arange(self.rank, groups, self.size)

    def own_rows(self, groups: Array, group_size: int) -> Array:
        """The rows of some groups, in order."""
        return (np.asarray(groups)[:, None] * group_size + np.arange(group_size)).reshape(-1)

    def merge(self, own: Array, places: Array, rows: int) -> Array:
        """This rank's rows (n, ...) at their `places` among `rows` -> all rows (rows, ...), on every rank.

        Ranks may differ in their second axis (token positions): it is padded with 0 to the longest.
        """
        if self.alone:
            return own
        shape = list(own.shape[1:])
        if shape:
            shape[0] = self._largest(shape[0])
        everything = np.zeros((rows, *shape), own.dtype)
        everything[(places, slice(None, own.shape[1])) if shape else places] = own
        return np.array(mx.distributed.all_sum(mx.array(everything), group=self._group))

    def _largest(self, number: int) -> int:
        return int(np.array(mx.distributed.all_gather(mx.array([number]), group=self._group)).max())

    def gather_sums(self, sums: Mapping[str, float]) -> list[dict[str, float]]:
        """Every rank's sums; a rank may lack some names (its rows did not have them)."""
        return [dict(found) for found in self.everyones(dict(sums))]

    def everyones(self, value: Any) -> list[Any]:
        """Every rank's JSON value, by rank, on every rank."""
        return [value] if self.alone else [json.loads(text) for text in self._gather_texts(json.dumps(value))]

    def _gather_texts(self, text: str) -> list[str]:
        raw = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
        padded = np.zeros((1, self._largest(len(raw)) + 1), np.int32)
        padded[0, 0], padded[0, 1 : len(raw) + 1] = len(raw), raw
        every = np.array(mx.distributed.all_gather(mx.array(padded), group=self._group))
        return [bytes(row[1 : row[0] + 1].astype(np.uint8)).decode() for row in every]

    def from_lead(self, value: Any) -> Any:
        """Rank 0's JSON value, on every rank."""
        return self.everyones(value)[0]

    def tensors_from_lead(self, tensors: Mapping[str, mx.array]) -> dict[str, mx.array]:
        """Rank 0's arrays, on every rank."""
        if self.alone:
            return dict(tensors)
        facts = [
            (name, list(array.shape), str(array.dtype).rpartition(".")[2]) for name, array in tensors.items()
        ]
        sent = {
            name: tensors[name] if self.leads else mx.zeros(shape, getattr(mx, kind))
            for name, shape, kind in self.from_lead(facts)
        }
        return cast("dict[str, mx.array]", self.sum_tree(sent))

    def sum_tree(self, tree: dict[str, Any]) -> dict[str, Any]:
        """The sum of the ranks' trees of arrays."""
        if self.alone:
            return tree

        def summed(array: mx.array) -> mx.array:
            return mx.distributed.all_sum(array, group=self._group)

        total = cast("dict[str, Any]", tree_map(summed, tree))
        mx.eval(total)
        return total

    def sum_number(self, number: float) -> float:
        """The sum of the ranks' numbers."""
        if self.alone:
            return number
        return float(np.array(mx.distributed.all_sum(mx.array([number]), group=self._group))[0])

    def any(self, flag: bool) -> bool:
        """Whether any rank says so: all of them decide alike."""
        return flag if self.alone else self.sum_number(float(flag)) > 0


class SavedState(Protocol):
    """What a run goes on from."""

    @property
    def state(self) -> dict[str, Any]: ...
    @property
    def step(self) -> int: ...
    @property
    def place(self) -> str: ...
    def tensors(self, name: str) -> dict[str, mx.array]: ...


class _Received:
    """Rank 0's checkpoint as the other ranks see it (and rank 0 too, so that all make the same calls)."""

    def __init__(self, own: SavedState | None, world: World) -> None:
        self._own, self._world = own, world
        self.state: dict[str, Any] = world.from_lead(None if own is None else own.state)
        self.place: str = world.from_lead("" if own is None else own.place)

    @property
    def step(self) -> int:
        return int(self.state["step"])

    def tensors(self, name: str) -> dict[str, mx.array]:
        return self._world.tensors_from_lead({} if self._own is None else self._own.tensors(name))


def shared_checkpoint(own: SavedState | None, world: World) -> SavedState | None:
    """Rank 0's checkpoint, on every rank; None where there is none."""
    if world.alone or not world.any(own is not None):
        return own
    return _Received(own, world)


def launched() -> bool:
    """Whether `mlx.launch` started this process as one of several."""
    return "MLX_RANK" in os.environ or "OMPI_COMM_WORLD_SIZE" in os.environ


def join_world() -> World:
    """The world that this process was launched into; of one where it was not."""
    if not launched():
        return World()
    return World(mx.distributed.init())


def check_share(world: World, prompts: int) -> None:
    """Raise UserError where the prompts of a step cannot be shared out evenly."""
    if prompts % world.size:
        raise UserError(
            f"`batch_size` {prompts} cannot be shared by {world.size} processes",
            place="training.batch_size",
            remedy=f"make it a multiple of {world.size}",
        )
