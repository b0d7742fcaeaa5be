"""How hard each prompt was, visit by visit: what is solved already, and what was never solved at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np

from droid_tune import words
from droid_tune.data.dataset import Dataset
from droid_tune.data.editing.changes import ChangePlan, with_train
from droid_tune.errors import UserError
from droid_tune.runs.completions.asking import Visit

Kind = Literal["solved", "hopeless", "learning"]


@dataclass(frozen=True)
class PromptHistory:
    """All visits of one data row, in order."""

    row: int
    visits: tuple[Visit, ...]

    @property
    def kind(self) -> Kind:
        """Solved: every completion of its newest visit was right. Hopeless: no completion of any visit was."""
        newest = self.visits[-1]
        if newest.right == newest.completions:
            return "solved"
        return "learning" if any(visit.right for visit in self.visits) else "hopeless"

    @property
    def success(self) -> float:
        """The share of right completions over all visits."""
        return sum(visit.right for visit in self.visits) / sum(visit.completions for visit in self.visits)


def histories_of(visits: Iterable[Visit]) -> list[PromptHistory]:
    """Visits in order of row and step -> one history a row, the hardest first."""
    found = [PromptHistory(row, tuple(group)) for row, group in groupby(visits, key=lambda visit: visit.row)]
    return sorted(found, key=lambda history: (history.success, history.row))


def drop_plan(dataset: Dataset, histories: Sequence[PromptHistory], kind: Kind) -> ChangePlan:
    """The run's data without the prompts of a kind. Raises UserError where nothing or everything would go."""
    rows = {history.row for history in histories if history.kind == kind and history.row < len(dataset.train)}
    if not rows:
        raise UserError(f"No prompt of this run is {kind}, so there is nothing to drop")
    if len(rows) == len(dataset.train):
        raise UserError(f"Every prompt is {kind}: nothing would be left to train on")
    kept = np.array([number for number in range(len(dataset.train)) if number not in rows])
    said = f"Leaves out {words.count(len(rows), 'train row')} that this run found {kind}."
    return ChangePlan(said, with_train(dataset, kept), len(rows))
