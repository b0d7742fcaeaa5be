"""Rows of data as a table of any length: what is seen is read in small pages, in a thread of its own."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import partial
from typing import Any

import orjson
from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    QThreadPool,
    Signal,
    Slot,
)

from droid_tune import words
from droid_tune.data.dataset import Rows
from droid_tune.errors import UserError
from ui.background import answers, sentence_of
from ui.frame.lingering import LINGERING

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
#: longest text of a cell; the whole row stands in the detail view
CELL = 300
PAGE_ROWS = 64
KEPT_PAGES = 64
#: pages wanted at a time; a scroll bar that is dragged leaves many behind that nobody looks at any more
MOST_WANTED = 6
WAITING = "…"

Page = list[list[str]]


class PageReader(QObject):
    """Reads pages of cells, the one asked for last first. `arrived` tells the generation, the page and its cells."""

    arrived = Signal(int, int, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._answers = answers()
        self._lock = threading.Lock()
        self._wanted: list[int] = []
        self._reading = False
        self._source: tuple[int, Rows | None, list[str]] = (0, None, [])

    def open(self, generation: int, rows: Rows | None, columns: list[str]) -> None:
        """Read from these rows from now on; pages wanted of others are forgotten."""
        with self._lock:
            self._wanted.clear()
            self._source = (generation, rows, columns)

    def want(self, page: int) -> None:
        """Read a page soon, before those wanted earlier."""
        with self._lock:
            if page in self._wanted:
                self._wanted.remove(page)
            self._wanted.append(page)
            del self._wanted[:-MOST_WANTED]
            if self._reading:
                return
            self._reading = True
        self._pool.start(self._read)

    def close(self) -> None:
        """No more reading; nobody waits for the page in hand."""
        self.open(-1, None, [])
        LINGERING.keep_pool(self._pool)

    def _read(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._reading = False
                    return
                page = self._wanted.pop()
                generation, rows, columns = self._source
            cells = _read_or_say(rows, columns, page) if rows is not None else []
            self._answers.post(self, partial(self._tell, generation, page, cells))

    def _tell(self, generation: int, page: int, cells: Page) -> None:
        self.arrived.emit(generation, page, cells)


def read_page(rows: Rows, columns: list[str], page: int) -> Page:
    """The cells of `PAGE_ROWS` rows; a row that is gone says so in its first cell."""
    start = page * PAGE_ROWS
    return [_cells(rows, columns, place) for place in range(start, min(start + PAGE_ROWS, len(rows)))]


def _read_or_say(rows: Rows, columns: list[str], page: int) -> Page:
    """As `read_page`; a page that cannot be read at all says why in each row, and the others are still read."""
    try:
        return read_page(rows, columns, page)
    except Exception as error:
        return [[words.literal(sentence_of(error)), *[""] * (len(columns) - 1)]] * PAGE_ROWS


def _cells(rows: Rows, columns: list[str], place: int) -> list[str]:
    try:
        row = rows.row(place)
    except UserError as error:
        return [str(error), *[""] * (len(columns) - 1)]
    return [cell_text(row.get(name)) for name in columns]


class RowsModel(QAbstractTableModel):
    """One line per accepted row. A cell that was not read yet is `…` and is drawn again when it comes."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._rows: Rows | None = None
        self._columns: list[str] = []
        self._generation = 0
        self._pages: OrderedDict[int, Page] = OrderedDict()
        self._reader = PageReader(self)
        self._reader.arrived.connect(self._arrived)

    def show(self, rows: Rows | None, columns: list[str]) -> None:
        """Take other rows; None shows none."""
        self.beginResetModel()
        self._rows, self._columns = rows, columns
        self._generation += 1
        self._pages.clear()
        self._reader.open(self._generation, rows, columns)
        self.endResetModel()

    def close(self) -> None:
        """Read no more; waits for the page in hand."""
        self._reader.close()

    @property
    def rows(self) -> Rows | None:
        """The rows that are shown."""
        return self._rows

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() or self._rows is None else len(self._rows)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role != Qt.ItemDataRole.DisplayRole or not index.isValid():
            return None
        page, place = divmod(index.row(), PAGE_ROWS)
        cells = self._pages.get(page)
        if cells is None:
            self._reader.want(page)
            return WAITING
        self._pages.move_to_end(page)
        return cells[place][index.column()] if place < len(cells) else ""

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if role == Qt.ItemDataRole.TextAlignmentRole and orientation == Qt.Orientation.Vertical:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return (
            words.literal(self._columns[section])
            if orientation == Qt.Orientation.Horizontal
            else f"{section + 1:,}"
        )

    @Slot(int, int, object)
    def _arrived(self, generation: int, page: int, cells: Page) -> None:
        if generation != self._generation:
            return
        self._pages[page] = cells
        if len(self._pages) > KEPT_PAGES:
            self._pages.popitem(last=False)
        first = page * PAGE_ROWS
        last = min(first + PAGE_ROWS, self.rowCount()) - 1
        self.dataChanged.emit(self.index(first, 0), self.index(last, self.columnCount() - 1))


def cell_text(value: Any) -> str:
    """A value on one line, nothing in it hidden."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else _in_short(value)
    short = text[:CELL] + "…" if len(text) > CELL else text
    return words.literal(short).replace("\n", " ⏎ ")


def _in_short(value: Any) -> str:
    """Turns of a conversation as they are spoken, anything else as JSON."""
    if isinstance(value, list) and value and all(isinstance(one, dict) and "role" in one for one in value):
        return "  ·  ".join(f"{one['role']}: {one.get('content') or ''}" for one in value[:8])
    try:
        return orjson.dumps(value, default=str).decode()
    except (TypeError, orjson.JSONEncodeError):
        return repr(value)


def whole_text(value: Any) -> str:
    """A value as text: strings as they are, the rest as JSON."""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except (TypeError, orjson.JSONEncodeError):
        return repr(value)
