"""Find in the rows of data, however many: a portion at a time, read from disk off the window's thread."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from PySide6.QtCore import QObject, Slot

from droid_tune import words
from droid_tune.data.dataset import Rows
from droid_tune.errors import UserError
from ui.background import Task
from ui.panes.data.rows.rows_model import whole_text
from ui.widgets.lists.finder import Finder

#: rows that are read before the window hears of them
PORTION = 500


class Searched(Protocol):
    """What shows the rows that are searched."""

    @property
    def rows(self) -> Rows | None:
        """The rows that are shown."""
        ...

    @property
    def current(self) -> int:
        """The place of the chosen row, -1 for none."""
        ...

    def go_to(self, number: int) -> None:
        """Choose a row by its number from 1."""

    def mark(self, text: str) -> None:
        """Let this text stand out in the chosen row."""


class RowsFinder(Finder):
    """Places are rows. The first one at or behind the row where the search began is shown as soon as it is read."""

    def __init__(self, view: Searched, parent: QObject) -> None:
        super().__init__(parent)
        self._view = view
        self._wanted = ""
        self._begun = max(0, view.current)
        self._found = array("q")
        self._read = 0
        self._shown = False
        self._task: Task | None = None

    def look_for(self, text: str) -> None:
        self.end()
        self._wanted = text.strip()
        self._found, self._read, self._shown = array("q"), 0, False
        self._view.mark(self._wanted)
        if self._wanted and self._view.rows is not None:
            self._read_on()
        else:
            self.said.emit("")

    @Slot()
    def look_again(self) -> None:
        """Other rows are shown now."""
        self._begun = 0
        self.look_for(self._wanted)

    def go(self, forward: int) -> None:
        if not self._found:
            return
        at = self._view.current
        place = bisect_right(self._found, at) if forward > 0 else bisect_left(self._found, at) - 1
        self._show(self._found[place % len(self._found)])

    def end(self) -> None:
        if self._task is not None:
            self._task.drop()
            self._task = None
        self._view.mark("")

    def _read_on(self) -> None:
        assert self._view.rows is not None
        work = partial(rows_with, self._view.rows, self._wanted, self._read)
        self._task = Task(work, self, done=self._take, failed=self.said.emit).start()

    def _take(self, told: tuple[Sequence[int], int]) -> None:
        hits, self._read = told
        self._found.extend(hits)
        rows = self._view.rows
        whole = rows is None or self._read >= len(rows)
        if not whole:
            self._read_on()
        self._show_first(whole=whole)

    def _show_first(self, *, whole: bool) -> None:
        """The first place behind where the search began; once all is read, the first at all."""
        place = bisect_left(self._found, self._begun)
        if self._shown or not self._found or (place == len(self._found) and not whole):
            self._say()
            return
        self._shown = True
        self._show(self._found[place % len(self._found)])

    def _show(self, row: int) -> None:
        self._begun = row
        self._view.go_to(row + 1)
        self._say()

    def _say(self) -> None:
        rows = self._view.rows
        count, whole = len(self._found), rows is None or self._read >= len(rows)
        place = bisect_left(self._found, self._view.current)
        at = place < count and self._found[place] == self._view.current
        told = f"{place + 1:,} of {words.count(count, 'row')}" if at else words.count(count, "row")
        if not whole and rows is not None:
            self.said.emit(f"{told}, {words.share(self._read / len(rows), 0)} looked through")
        else:
            self.said.emit(told if count else "Not found")


def rows_with(rows: Rows, wanted: str, start: int) -> tuple[list[int], int]:
    """The places of the rows from `start` on that say `wanted`, whatever its case, of one portion; and where the next begins."""
    folded, end = wanted.casefold(), min(start + PORTION, len(rows))
    return [place for place in range(start, end) if _says(rows, place, folded)], end


def _says(rows: Rows, place: int, folded: str) -> bool:
    try:
        row = rows.row(place)
    except UserError:  # the table says so in its place
        return False
    return any(folded in whole_text(value).casefold() for value in row.values() if value is not None)
