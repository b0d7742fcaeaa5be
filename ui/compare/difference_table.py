"""What each run has of something, a column for each; what is not as in the first run stands out."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from droid_tune.report.comparing import ComparedLine
from ui.theme import current_theme
from ui.widgets.basics import plain_tip
from ui.widgets.lists.tables import dress_table


class DifferenceTable(QTableView):
    """Only to be read; a cell can be copied."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._lines: Sequence[ComparedLine] = ()
        self._model = QStandardItemModel(self)
        self.setModel(self._model)
        dress_table(self, name)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectItems)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setWordWrap(True)
        self.verticalHeader().hide()
        current_theme().changed.connect(self._tint)

    def show_lines(self, lines: Sequence[ComparedLine], what: str, runs: Sequence[str]) -> None:
        """`what` heads the first column, the runs' names the others."""
        self._lines = lines
        self._model.clear()
        self._model.setHorizontalHeaderLabels([what, *runs])
        for line in lines:
            self._model.appendRow([self._cell(text) for text in (line.name, *line.values)])
        head = self.horizontalHeader()
        head.setVisible(bool(lines))
        head.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self._tint()

    def _cell(self, text: str) -> QStandardItem:
        made = QStandardItem(text)
        made.setEditable(False)
        made.setToolTip(plain_tip(text))
        return made

    def _tint(self) -> None:
        soft = QBrush(current_theme().color("accent_soft"))
        for place, line in enumerate(self._lines):
            for column, value in enumerate(line.values, start=1):
                other = value != line.values[0]
                self._model.item(place, column).setData(
                    soft if other else None, Qt.ItemDataRole.BackgroundRole
                )
