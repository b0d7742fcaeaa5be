"""Rows and issues of data as tables; rows are read from the file when they are seen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import orjson
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from droid_tune.data.dataset import Rows
from droid_tune.data.issues import Issue
from ui import phrases

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
#: longest text of a cell; the whole row stands in the detail view
CELL = 300
KEPT_ROWS = 512


class RowsModel(QAbstractTableModel):
    """One line per accepted row, one column per field of the first rows."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._rows: Rows | None = None
        self._columns: list[str] = []
        self._read: OrderedDict[int, dict[str, Any]] = OrderedDict()

    def show(self, rows: Rows | None) -> None:
        self.beginResetModel()
        self._rows = rows
        self._read.clear()
        self._columns = []
        if rows is not None:
            names = dict.fromkeys(name for place in range(min(20, len(rows))) for name in self.row(place))
            self._columns = list(names)
        self.endResetModel()

    def row(self, place: int) -> dict[str, Any]:
        if place not in self._read:
            assert self._rows is not None
            self._read[place] = self._rows.row(place)
            if len(self._read) > KEPT_ROWS:
                self._read.popitem(last=False)
        return self._read[place]

    def place_of(self, place: int) -> str:
        assert self._rows is not None
        return self._rows.place(place)

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() or self._rows is None else len(self._rows)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role != Qt.ItemDataRole.DisplayRole or not index.isValid():
            return None
        value = self.row(index.row()).get(self._columns[index.column()])
        return cell_text(value)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return self._columns[section] if orientation == Qt.Orientation.Horizontal else f"{section + 1:,}"


ISSUE_COLUMNS = ("File", "Line", "Column", "Field", "What is wrong", "Text around it")


class IssuesModel(QAbstractTableModel):
    """One line per finding."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._issues: Sequence[Issue] = ()

    def show(self, issues: Sequence[Issue]) -> None:
        self.beginResetModel()
        self._issues = issues
        self.endResetModel()

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._issues)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(ISSUE_COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        issue = self._issues[index.row()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return issue.message
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        cells = (
            issue.file.rpartition("/")[2],
            f"{issue.place:,}" if issue.place else "",
            str(issue.column or ""),
            issue.field or "",
            issue.message,
            phrases.literal(issue.excerpt).replace("\n", " "),
        )
        return cells[index.column()]

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return ISSUE_COLUMNS[section]
        return None


def cell_text(value: Any) -> str:
    """A value on one line, nothing in it hidden."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else whole_text(value)
    short = text[:CELL] + "…" if len(text) > CELL else text
    return phrases.literal(short).replace("\n", " ⏎ ")


def whole_text(value: Any) -> str:
    """A value as text: strings as they are, the rest as JSON."""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except (TypeError, orjson.JSONEncodeError):
        return repr(value)
