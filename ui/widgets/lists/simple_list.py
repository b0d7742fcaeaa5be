"""A flat list of things with a title and what the two-line delegate wants of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from ui.widgets.basics import plain_tip
from ui.widgets.lists.two_lines import Role

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


@dataclass(frozen=True)
class Entry:
    """One row. `key` finds it again after the list was read anew."""

    key: str
    title: str
    detail: str = ""
    icon: str = ""
    dot: str = ""
    trailing: str = ""
    tone: str = ""  # of the trailing words: a colour of the theme
    tip: str = ""


class EntryList(QAbstractListModel):
    """Entries in order; an equal list is not told again, so a selection stays."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._entries: tuple[Entry, ...] = ()

    def show(self, entries: Sequence[Entry]) -> bool:
        """Take these; True where the keys changed (and with them the selection)."""
        fresh = tuple(entries)
        if fresh == self._entries:
            return False
        if [one.key for one in fresh] == [one.key for one in self._entries]:
            self._entries = fresh
            self.dataChanged.emit(self.index(0), self.index(len(fresh) - 1))
            return False
        self.beginResetModel()
        self._entries = fresh
        self.endResetModel()
        return True

    def place_of(self, key: str) -> QModelIndex:
        """Where the entry of this key stands; an invalid index where there is none."""
        for place, entry in enumerate(self._entries):
            if entry.key == key:
                return self.index(place)
        return QModelIndex()

    def entry(self, index: Index) -> Entry | None:
        """The entry at a place; None where there is none."""
        return self._entries[index.row()] if index.isValid() and index.row() < len(self._entries) else None

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        entry = self.entry(index)
        if entry is None:
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return entry.title
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tip(entry.tip) if entry.tip else None
            case Qt.ItemDataRole.AccessibleTextRole:
                return ", ".join(part for part in (entry.title, entry.detail, entry.trailing) if part)
            case Role.DETAIL:
                return entry.detail
            case Role.ICON:
                return entry.icon
            case Role.DOT:
                return entry.dot
            case Role.TRAILING:
                return entry.trailing
            case Role.TONE:
                return entry.tone
            case Role.KEY:
                return entry.key
            case _:
                return None
