"""Rows of texts for a table: sorted by what they stand for, one text a cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from ui.theme import current_theme

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
T = TypeVar("T")


@dataclass(frozen=True)
class Column(Generic[T]):
    """A heading, a cell's text, what the rows are sorted by, and the colour of its text by name (empty: the usual)."""

    heading: str
    text: Callable[[T], str]
    key: Callable[[T], Any]
    tone: Callable[[T], str] = lambda _: ""
    right: bool = False


class PlainRows(QAbstractTableModel, Generic[T]):
    """Items in the order in which they came, or sorted by a column."""

    def __init__(self, columns: Sequence[Column[T]], parent: QObject) -> None:
        super().__init__(parent)
        self._columns = columns
        self._items: list[T] = []

    def show_items(self, items: Sequence[T]) -> None:
        """These in place of those before."""
        self.beginResetModel()
        self._items = list(items)
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        if 0 <= column < len(self._columns):
            self.layoutAboutToBeChanged.emit()
            self._items.sort(key=self._columns[column].key, reverse=order == Qt.SortOrder.DescendingOrder)
            self.layoutChanged.emit()

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._items)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._columns)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section].heading
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        column, item = self._columns[index.column()], self._items[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.text(item)
        if role == Qt.ItemDataRole.ToolTipRole:
            return column.text(item)
        if role == Qt.ItemDataRole.TextAlignmentRole and column.right:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ForegroundRole and (tone := column.tone(item)):
            return current_theme().color(tone)
        return None
