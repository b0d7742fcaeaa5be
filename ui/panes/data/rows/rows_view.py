"""The rows of a split, and the chosen one whole below."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import partial

from PySide6.QtCore import QModelIndex, Qt, Signal, Slot
from PySide6.QtWidgets import QSplitter, QWidget

from droid_tune import words
from droid_tune.data.dataset import Rows
from droid_tune.data.formats.base import Row
from ui.background import Task
from ui.engine_worker import EngineDoor
from ui.panes.data.rows.look import Look
from ui.panes.data.rows.row_detail import RowDetail
from ui.panes.data.rows.rows_finder import RowsFinder
from ui.panes.data.rows.rows_model import RowsModel
from ui.panes.data.tokenizer_desk import TokenizerDesk
from ui.widgets.basics import column
from ui.widgets.lists.tables import data_table

#: pixels
LEAST_COLUMN, CELL_MARGINS = 90, 24
#: pixels that a scroll bar and longer row numbers may take; the last column gets what they leave
SCROLL_BAR = 40


class RowsView(QWidget):
    """`thinking_chosen` passes the detail's switch on."""

    thinking_chosen = Signal(str)
    changed = Signal()  # other rows
    row_chosen = Signal(int)  # its number from 1

    def __init__(self, engine: EngineDoor, desk: TokenizerDesk, parent: QWidget) -> None:
        super().__init__(parent)
        self._reading: Task | None = None
        split = QSplitter(Qt.Orientation.Vertical, self)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(8)
        self._model = RowsModel(self)
        self._table = data_table(self._model, "Rows", split)
        self._table.selectionModel().currentRowChanged.connect(self._choose)
        self._detail = RowDetail(engine, desk, split)
        self._detail.thinking_chosen.connect(self.thinking_chosen)
        split.addWidget(self._table)
        split.addWidget(self._detail)
        split.setSizes([300, 190])
        column(self).addWidget(split)

    def show_rows(self, rows: Rows | None, columns: Mapping[str, int]) -> None:
        """Show a split's rows and choose the first; None shows none. `columns` with the letters of their longest cell."""
        self._drop_reading()
        self._model.show(rows, list(columns))
        letter = self._table.fontMetrics().averageCharWidth()
        wanted = [letter * letters + CELL_MARGINS for letters in columns.values()]
        room = self._table.viewport().width() - SCROLL_BAR
        for place, width in enumerate(column_widths(wanted, room)):
            self._table.setColumnWidth(place, width)
        self._detail.show_row("", None)
        if rows is not None and len(rows):
            self._table.selectRow(0)
        self.changed.emit()

    def show_look(self, look: Look) -> None:
        """How the chosen row is rendered."""
        self._detail.show_look(look)

    def go_to(self, number: int) -> None:
        """Choose a row by its number from 1."""
        place = min(max(number, 1), self._model.rowCount()) - 1
        if place >= 0:
            self._table.selectRow(place)
            self._table.scrollTo(self._model.index(place, 0))

    @property
    def rows(self) -> Rows | None:
        """The rows that are shown."""
        return self._model.rows

    @property
    def current(self) -> int:
        """The place of the chosen row, -1 for none."""
        return self._table.currentIndex().row()

    def mark(self, text: str) -> None:
        """Let this text stand out in the chosen row; an empty one takes the marks away."""
        self._detail.mark(text)

    def finder(self) -> RowsFinder:
        """Finds in all rows of the split, whichever is shown."""
        made = RowsFinder(self, self)
        self.changed.connect(made.look_again)
        return made

    def shut(self) -> None:
        """The window closes: read no more."""
        self._model.close()

    @Slot(QModelIndex, QModelIndex)
    def _choose(self, current: QModelIndex, previous: QModelIndex) -> None:
        rows = self._model.rows
        if rows is None or not current.isValid():
            return
        self.row_chosen.emit(current.row() + 1)
        self._drop_reading()
        self._reading = Task(
            partial(_read, rows, current.row()), self, done=self._show_row, failed=self._say_unread
        ).start()

    def _drop_reading(self) -> None:
        if self._reading is not None:
            self._reading.drop()

    def _show_row(self, found: tuple[str, Row, int]) -> None:
        self._detail.show_row(*found)

    def _say_unread(self, sentence: str) -> None:
        self._detail.show_row(words.literal(sentence), None)


def column_widths(wanted: Sequence[int], room: int) -> list[int]:
    """As wide as each wants to be, the widest narrower until all have room; what is left over goes to all alike."""
    if not wanted:
        return []
    limits = range(LEAST_COLUMN, max(LEAST_COLUMN, *wanted) + 1)
    fitting = bisect_right(limits, room, key=lambda most: sum(_held(wanted, most)))
    held = _held(wanted, limits[max(0, fitting - 1)])
    left = max(0, room - sum(held)) // len(held)
    return [width + left for width in held]


def _held(wanted: Sequence[int], most: int) -> list[int]:
    return [min(most, max(LEAST_COLUMN, width)) for width in wanted]


def _read(rows: Rows, place: int) -> tuple[str, Row, int]:
    return rows.place(place), rows.row(place), place
