"""The runs as a table that is searched and sorted; thousands of them cost what a screenful does to draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from ui.panes.runs.runs_columns import COLUMNS, PLACES, RunLine, searched, written
from ui.theme import current_theme
from ui.widgets.basics import plain_tip

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
#: the colour of a state, where it has one
TONES = {"running": "accent", "completed": "good", "failed": "bad", "interrupted": "warning"}


class RunsModel(QAbstractTableModel):
    """`written_in` tells a run's id, the column's key, and the text that was typed; the table changes when that is kept."""

    written_in = Signal(str, str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._all: Sequence[RunLine] = ()
        self._shown: list[RunLine] = []
        self._search = ""
        self._column, self._descending = PLACES["begun"], True

    # --- what it holds ------------------------------------------------------------------------------------------

    def show(self, lines: Sequence[RunLine]) -> bool:
        """Take these; True where other runs are listed than before, or in another order (no selection stays then)."""
        if lines == self._all:
            return False
        self._all = lines
        return self._arrange()

    def look_for(self, text: str) -> None:
        """Show the runs with all of these words alone."""
        if text != self._search:
            self._search = text
            self._arrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """By a column's own order; equal ones stay newest first."""
        self._column, self._descending = column, order == Qt.SortOrder.DescendingOrder
        self.layoutAboutToBeChanged.emit()
        before = [(index, self._shown[index.row()].run.id) for index in self.persistentIndexList()]
        self._shown = self._found()
        places = {line.run.id: place for place, line in enumerate(self._shown)}
        for index, run_id in before:
            self.changePersistentIndex(index, self.index(places[run_id], index.column()))
        self.layoutChanged.emit()

    def _found(self) -> list[RunLine]:
        """What the search leaves, in order."""
        wanted = self._search.casefold().split()
        found = [line for line in self._all if not wanted or _has(line, wanted)]
        if 0 <= self._column < len(COLUMNS):
            found.sort(key=COLUMNS[self._column].order, reverse=self._descending)
        return found

    def _arrange(self) -> bool:
        found = self._found()
        same = [line.run.id for line in found] == [line.run.id for line in self._shown]
        if same:
            self._shown = found
            self.tell_changed()
            return False
        self.beginResetModel()
        self._shown = found
        self.endResetModel()
        return True

    def tell_changed(self) -> None:
        """All cells may say other words."""
        if self._shown:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._shown) - 1, len(COLUMNS) - 1))

    @property
    def lines(self) -> Sequence[RunLine]:
        """What is listed, in order."""
        return self._shown

    @property
    def count(self) -> int:
        """All runs, those too that the search leaves out."""
        return len(self._all)

    # --- Qt's own -----------------------------------------------------------------------------------------------

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section].title
        if role == Qt.ItemDataRole.TextAlignmentRole and COLUMNS[section].right:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """A run that trains keeps its name until it has ended."""
        flags = super().flags(index)
        if not index.isValid():
            return flags
        column, line = COLUMNS[index.column()], self._shown[index.row()]
        free = column.edited and not (column.key == "name" and line.state == "running")
        return flags | Qt.ItemFlag.ItemIsEditable if free else flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        line, column = self._shown[index.row()], COLUMNS[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return column.text(line)
            case Qt.ItemDataRole.EditRole:
                return written(line, column.key) if column.edited else column.text(line)
            case Qt.ItemDataRole.ToolTipRole:
                return _tip(line, column.key)
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{column.title}: {column.text(line)}"
            case Qt.ItemDataRole.TextAlignmentRole if column.right:
                return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            case Qt.ItemDataRole.ForegroundRole if column.key == "state" and line.state in TONES:
                return current_theme().color(TONES[line.state])
            case _:
                return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        line, column = self._shown[index.row()], COLUMNS[index.column()]
        text = str(value).strip()
        if role != Qt.ItemDataRole.EditRole or text == written(line, column.key):
            return False
        self.written_in.emit(line.run.id, column.key, text)
        return True


def _has(line: RunLine, wanted: Sequence[str]) -> bool:
    text = searched(line)
    return all(word in text for word in wanted)


def _tip(line: RunLine, key: str) -> str | None:
    """What a cell may have no room for."""
    run = line.run
    said = {
        "note": run.annotations.note,
        "state": run.why,
        "model": run.model,
        "data": run.data,
        "best": "" if run.best is None else str(run.best).capitalize(),
    }.get(key, "")
    return plain_tip(said) if said else None
