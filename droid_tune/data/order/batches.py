"""The order in which rows are drawn, and a cursor in it that a checkpoint can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.data.formats.base import Row
from droid_tune.data.reading.spill import Numbers
from droid_tune.errors import UserError

STATE_VERSION = 1


@dataclass(frozen=True)
class PromptBatch:
    """P rows and their numbers in the split."""

    indices: list[int]
    rows: list[Row]
    epoch: float


def permutation(length: int, seed: int, epoch: int) -> Numbers:
    """The order of the rows in one epoch, by (seed, epoch) alone.

    Sorts the raw output of a counter-based generator, which NumPy keeps the same for ever (it does not promise that
    for `Generator.permutation`), so that a run can be resumed after an update.
    """
    generator = np.random.Philox(np.random.SeedSequence([seed % 2**64, epoch]))
    return np.argsort(generator.random_raw(length), kind="stable")


class PromptBatches:
    """Batches of rows without end: epoch after epoch, each row once in each.

    Every batch has `batch_size` rows. The last rows of an epoch that do not fill a batch are not dropped: the batch is
    filled up with the first rows of the next epoch's order.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        batch_size: int,
        seed: int,
        *,
        shuffle: bool = True,
    ) -> None:
        if not len(rows):
            raise UserError("There is no row to train on", remedy="add rows to the train file")
        self._rows = rows
        self._batch_size = batch_size
        self._seed = seed
        self._shuffle = shuffle
        self._drawn = 0
        self._order: tuple[int, Numbers] | None = None
        self._others = False

    def accept_other_rows(self) -> None:
        """The rows are not those of the state that is restored next, and whoever runs this said to go on with them."""
        self._others = True

    @property
    def epoch(self) -> float:
        """How many times the rows were gone through so far."""
        return self._drawn / len(self._rows)

    def take(self, count: int | None = None) -> PromptBatch:
        """The next batch, or the next `count` rows; the cursor moves by all of them."""
        wanted = self._batch_size if count is None else count
        indices = [self._index_at(self._drawn + place) for place in range(wanted)]
        rows = [self._rows[index] for index in indices]
        # Only now: a row that cannot be read leaves the cursor where it was.
        self._drawn += wanted
        return PromptBatch(indices, rows, self.epoch)

    def observe(self, indices: Sequence[int], rewards: NDArray[np.floating[Any]]) -> None:
        """What the groups of some rows (P,) were rewarded (P, G). The order here is the seed's alone."""

    def told(self) -> dict[str, float]:
        """Metrics of the last batch's choice, where it was one."""
        return {}

    def _index_at(self, place: int) -> int:
        epoch, offset = divmod(place, len(self._rows))
        if not self._shuffle:
            return offset
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, permutation(len(self._rows), self._seed, epoch))
        return int(self._order[1][offset])

    def state(self) -> dict[str, Any]:
        """All that is needed to go on: plain numbers."""
        return {
            "version": STATE_VERSION,
            "drawn": self._drawn,
            "seed": self._seed,
            "shuffle": self._shuffle,
            "length": len(self._rows),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state()` was taken; with other rows that were accepted, as far in as many epochs. Raises `UserError`
        where their number changed and that was not accepted."""
        if state["version"] > STATE_VERSION:
            raise UserError("The checkpoint comes from a newer version", remedy="update Droid Tune")
        if state["length"] != len(self._rows) and not self._others:
            raise UserError(
                f"The train rows changed since the run began: there were {state['length']:,}, now {len(self._rows):,}",
                remedy="put the old file back, or start a new run",
            )
        self._seed = state["seed"]
        self._shuffle = state["shuffle"]
        epochs, rest = divmod(state["drawn"], state["length"])
        self._drawn = epochs * len(self._rows) + rest * len(self._rows) // state["length"]
        self._order = None
