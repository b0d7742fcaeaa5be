"""Findings about data as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from droid_tune import words
from droid_tune.data.issues import Issue
from ui import icons
from ui.theme import current_theme

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
ISSUE_COLUMNS = ("File", "Line", "Column", "Field", "What is wrong", "Text around it")


class IssuesModel(QAbstractTableModel):
    """One line per finding; a sign tells those that cost a row from those that only warn."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._issues: Sequence[Issue] = ()

    def show(self, issues: Sequence[Issue]) -> None:
        """Take other findings."""
        self.beginResetModel()
        self._issues = issues
        self.endResetModel()

    def issue(self, place: int) -> Issue:
        """The finding of a line of the table, counted from 0."""
        return self._issues[place]

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._issues)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(ISSUE_COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        issue = self._issues[index.row()]
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 0:
            tokens = current_theme().tokens
            error = issue.severity == "error"
            return icons.pixmap("error" if error else "warning", tokens.bad if error else tokens.warning, 14)
        if role == Qt.ItemDataRole.AccessibleTextRole and index.column() == 0:
            return f"{issue.severity}: {PurePath(issue.file).name}"
        return _cells(issue)[index.column()] if role == Qt.ItemDataRole.DisplayRole else None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return ISSUE_COLUMNS[section]
        return None


def _cells(issue: Issue) -> tuple[str, ...]:
    return (
        words.literal(PurePath(issue.file).name),
        f"{issue.place:,}" if issue.place else "",
        str(issue.column or ""),
        words.literal(issue.field or ""),
        words.literal(issue.message).replace("\n", " "),
        words.literal(issue.excerpt).replace("\n", " "),
    )
