"""Several processes (on one Mac or several) train one model: data-parallel over whole groups.

Rank r of W samples, judges and scores the groups r, r + W, r + 2W, ...; then every rank knows the whole rollout, and
what is computed of it (advantages, normalisers, metrics) is the same numbers as in one process. Each rank adds up the
gradient of its own rows; the sum over ranks is the gradient of the whole batch. Started by `mlx.launch`.

No rank waits for one that has ended: every exchange begins with a number from each rank, and a rank that fails or is
stopped between two exchanges gives LEAVING instead, with its last words; the others hear them and end too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

import mlx.core as mx
import numpy as np
from mlx.utils import tree_map
from numpy.typing import NDArray

from droid_tune.errors import Stopped, UserError

Array = NDArray[Any]

#: what a rank announces that has ended
LEAVING = -1


class World:
    """The ranks of a run. Of one process, every method gives back what it was given."""

    def __init__(self, group: Any = None) -> None:
        self._group = group
        self.rank = 0 if group is None else int(group.rank())
        self.size = 1 if group is None else int(group.size())
        self._left = False

    @property
    def alone(self) -> bool:
        """Whether this is the only rank."""
        return self.size == 1

    @property
    def leads(self) -> bool:
        """Rank 0 alone writes and tells."""
        return self.rank == 0

    def own_groups(self, groups: int) -> Array:
        """The numbers of this rank's groups."""
        return np.arange(self.rank, groups, self.size)

    def own_places(self, groups: Array) -> NDArray[np.int64]:
        """Where in an array of group numbers this rank's groups stand."""
        return np.flatnonzero(groups % self.size == self.rank)

    def merge(self, own: Array, places: Array, rows: int) -> Array:
        """This rank's rows (n, ...) at their `places` among `rows` -> all rows (rows, ...), on every rank.

        Ranks may differ in their second axis (token positions): it is padded with 0 to the longest.
        """
        if self.alone:
            return own
        shape = list(own.shape[1:])
        longest = self._announce(shape[0] if shape else 0)
        if shape:
            shape[0] = longest
        everything = np.zeros((rows, *shape), own.dtype)
        everything[(places, slice(None, own.shape[1])) if shape else places] = own
        return np.array(mx.distributed.all_sum(mx.array(everything), group=self._group))

    def gather_sums(self, sums: Mapping[str, float]) -> list[dict[str, float]]:
        """Every rank's sums; a rank may lack some names (its rows did not have them)."""
        return [dict(found) for found in self.everyones(dict(sums))]

    def everyones(self, value: Any) -> list[Any]:
        """Every rank's JSON value (NaN allowed), by rank, on every rank."""
        if self.alone:
            return [value]
        text = json.dumps(value).encode()
        return self._gather(text, self._announce(len(text)))

    def _gather(self, text: bytes, longest: int) -> list[Any]:
        """Every rank's value, from texts of at most `longest` bytes."""
        padded = np.zeros((1, longest + 1), np.int32)
        padded[0, 0], padded[0, 1 : len(text) + 1] = len(text), np.frombuffer(text, np.uint8)
        every = np.array(mx.distributed.all_gather(mx.array(padded), group=self._group))
        return [json.loads(row[1 : row[0] + 1].astype(np.uint8).tobytes()) for row in every]

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
        self.meet()

        def summed(array: mx.array) -> mx.array:
            return mx.distributed.all_sum(array, group=self._group)

        total = cast("dict[str, Any]", tree_map(summed, tree))
        mx.eval(total)
        return total

    def sum_number(self, number: float) -> float:
        """The sum of the ranks' numbers."""
        if self.alone:
            return number
        self.meet()
        return float(np.array(mx.distributed.all_sum(mx.array([number]), group=self._group))[0])

    def any(self, flag: bool) -> bool:
        """Whether any rank says so: all of them decide alike."""
        return flag if self.alone else self.sum_number(float(flag)) > 0

    # -- ending together ---------------------------------------------------------------------------

    def meet(self) -> None:
        """Wait until every rank is here. Raises what a rank that has left said: Stopped, or UserError with its words."""
        if not self.alone:
            self._announce(0)

    def leave(self, *, stopped: bool, why: str = "") -> None:
        """Tell the other ranks that this one ends: each hears it at its next exchange.

        Nothing is told where all of them end already, or where nobody is left to hear it.
        """
        if self.alone or self._left:
            return
        with suppress(RuntimeError):  # MLX's word for a rank whose process is gone
            self._numbers(LEAVING)
            self._last_words({"rank": self.rank, "stopped": stopped, "why": why})

    def _announce(self, number: int) -> int:
        """The largest of every rank's number (0 or more). Raises as `meet` does."""
        numbers = self._numbers(number)
        if LEAVING not in numbers:
            return max(numbers)
        failed = [words for words in self._last_words(None) if words is not None and not words["stopped"]]
        if not failed:
            raise Stopped
        raise UserError(failed[0]["why"], place=f"process {failed[0]['rank'] + 1} of {self.size}")

    def _last_words(self, own: dict[str, Any] | None) -> list[Any]:
        """Of every rank that leaves; None of the others. After this nothing more is exchanged."""
        self._left = True
        text = json.dumps(own).encode()
        return self._gather(text, max(self._numbers(len(text))))

    def _numbers(self, number: int) -> list[int]:
        every = mx.distributed.all_gather(mx.array([number]), group=self._group)
        return [int(one) for one in np.array(every)]


def launched() -> bool:
    """Whether `mlx.launch` started this process as one of several."""
    return "MLX_RANK" in os.environ or "OMPI_COMM_WORLD_SIZE" in os.environ


def join_world() -> World:
    """The world that this process was launched into; of one where it was not. Raises UserError where others are missing."""
    if not launched():
        return World()
    try:
        return World(mx.distributed.init())
    except RuntimeError as error:
        raise UserError(f"The other processes cannot be reached: {error}") from error


def check_share(world: World, prompts: int) -> None:
    """Raise UserError where the prompts of a step cannot be shared out evenly."""
    if prompts % world.size:
        raise UserError(
            f"`batch_size` {prompts} cannot be shared by {world.size} processes",
            place="training.batch_size",
            remedy=f"make it a multiple of {world.size}",
        )
