"""The next rows of a run, rendered: one that cannot be is left out, told and replaced, and never ends the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from droid_tune.data.formats.base import Row
from droid_tune.errors import UserError
from droid_tune.events import Notice
from droid_tune.train.training_session import TrainingSession

T = TypeVar("T")

#: rows left out in a session that are told one by one
TOLD_ROWS = 10


def draw(session: TrainingSession, render: Callable[[int, Row], T]) -> list[T]:
    """The next batch, each row rendered; rows that cannot be are replaced by the next ones in the order.

    Small data sets were looked through before, so this happens only in those that are too large for that. Raises
    UserError when not one of all the rows can be rendered.
    """
    wanted, failed = session.config.training.batch_size, 0
    found: list[T] = []
    while len(found) < wanted:
        batch = session.batches.take(wanted - len(found))
        for index, row in zip(batch.indices, batch.rows, strict=True):
            number = session.train.number(index)
            try:
                found.append(render(number, row))
                failed = 0
            except UserError as error:
                failed += 1
                _tell(session, number, error)
                if failed >= len(session.train):
                    raise
    return found


def _tell(session: TrainingSession, number: int, error: UserError) -> None:
    session.skipped += 1
    if session.skipped > TOLD_ROWS:
        return
    last = " More rows like this are not told." if session.skipped == TOLD_ROWS else ""
    session.emit(
        Notice(
            level="warning",
            code="row_skipped",
            text=f"Row {number + 1} ({session.train.place(number)}) is left out and replaced: {error}{last}",
            remedy="`droid-tune validate --model` finds such rows before a run.",
        )
    )
