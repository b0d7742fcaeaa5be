"""Findings about data as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from droid_tune import words
from droid_tune.data.issues import Issue
from ui import icons
from ui.panes.data.issues.issue_groups import IssueGroup, IssueLine, grouped, lines_of
from ui.theme import current_theme

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
ISSUE_COLUMNS = ("File", "Line", "Column", "Field", "What is wrong", "Text around it")


class IssuesModel(QAbstractTableModel):
    """One line per finding, equal ones folded; a sign tells those that cost a row from those that only warn."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._groups: list[IssueGroup] = []
        self._lines: list[IssueLine] = []

    def show(self, issues: Sequence[Issue]) -> None:
        """Take other findings."""
        self.beginResetModel()
        self._groups = grouped(issues)
        self._lines = lines_of(self._groups)
        self.endResetModel()

    def fold(self, place: int, folded: bool | None = None) -> None:
        """Fold or unfold the group whose head stands on a line (None: the other way); nothing elsewhere."""
        head = self._lines[place].head if 0 <= place < len(self._lines) else None
        if head is None or head.folded == folded:
            return
        others = len(head.issues) - 1
        if head.folded:
            self.beginInsertRows(QModelIndex(), place + 1, place + others)
        else:
            self.beginRemoveRows(QModelIndex(), place + 1, place + others)
        was_folded, head.folded = head.folded, not head.folded
        self._lines = lines_of(self._groups)
        if was_folded:
            self.endInsertRows()
        else:
            self.endRemoveRows()
        self.dataChanged.emit(self.index(place, 0), self.index(place, len(ISSUE_COLUMNS) - 1))

    def issue(self, place: int) -> Issue:
        """The finding of a line of the table, counted from 0."""
        return self._lines[place].issue

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._lines)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(ISSUE_COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        line = self._lines[index.row()]
        issue = line.issue
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 0:
            tokens = current_theme().tokens
            error = issue.severity == "error"
            return icons.pixmap("error" if error else "warning", tokens.bad if error else tokens.warning, 14)
        if role == Qt.ItemDataRole.AccessibleTextRole and index.column() == 0:
            return f"{issue.severity}: {PurePath(issue.file).name}{_alike(line)}"
        return _cells(line)[index.column()] if role == Qt.ItemDataRole.DisplayRole else None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return ISSUE_COLUMNS[section]
        return None


def _alike(line: IssueLine) -> str:
    """For screen readers: how many a line stands for."""
    if line.head is None:
        return ""
    return f", {len(line.head.issues):,} alike, {'folded' if line.head.folded else 'unfolded'}"


def _cells(line: IssueLine) -> tuple[str, ...]:
    issue, name = line.issue, words.literal(PurePath(line.issue.file).name)
    place = f"{issue.place:,}" if issue.place else ""
    if line.head is not None:
        name = f"{'▸' if line.head.folded else '▾'} {name} ×{len(line.head.issues):,}"
        place = f"{place} …" if line.head.folded else place
    return (
        name,
        place,
        str(issue.column or ""),
        words.literal(issue.field or ""),
        words.quoted(words.literal(issue.message)).replace("\n", " "),
        words.literal(issue.excerpt).replace("\n", " "),
    )
