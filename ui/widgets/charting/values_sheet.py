"""The values of one chart as a table: what the keyboard, VoiceOver and a spreadsheet need of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Slot
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QDialog, QHBoxLayout, QHeaderView, QWidget

from droid_tune import words
from droid_tune.runs.series import Series
from ui.widgets.basics import button, column, label, row
from ui.widgets.charting.chart_spec import Line
from ui.widgets.charting.scale_across import ScaleAcross
from ui.widgets.lists.tables import data_table

_ROOT = QModelIndex()
Index = QModelIndex | QPersistentModelIndex
Floats = NDArray[np.float64]
#: pixels: of a column, and of the sheet
LEAST_COLUMN, LEAST_WIDTH, MOST_WIDTH = 90, 420, 900


class ValuesModel(QAbstractTableModel):
    """A line for each step that has a value of any curve, the newest last; a snapshot of what was drawn."""

    def __init__(
        self, lines: Sequence[Line], series: Mapping[str, Series], across: ScaleAcross, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._across = across
        self._lines = [line for line in lines if series.get(line.source)]
        steps = [np.array(series[line.source].steps) for line in self._lines]
        self.steps = np.unique(np.concatenate(steps)) if steps else np.empty(0)
        self._columns = [
            _column(self.steps, own, np.array(series[line.source].values))
            for line, own in zip(self._lines, steps, strict=True)
        ]

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.steps)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else 1 + len(self._lines)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._lines[section - 1].label if section else self._across.counted
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        told = role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole)
        if not told or not index.isValid():
            return None
        said = self._cell(index.row(), index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return said
        heading = self.headerData(index.column(), Qt.Orientation.Horizontal)
        return f"{heading}: {said or 'no value'}"

    def _cell(self, line: int, place: int) -> str:
        if not place:
            return self._across.told(float(self.steps[line]))
        value = float(self._columns[place - 1][line])
        return words.metric(self._lines[place - 1].metric, value) if value == value else ""

    def as_text(self) -> str:
        """All of it for a spreadsheet: tabs between cells, numbers unrounded."""
        heads = [str(self.headerData(n, Qt.Orientation.Horizontal)) for n in range(self.columnCount())]
        told = [
            [f"{step:g}", *("" if one[n] != one[n] else repr(float(one[n])) for one in self._columns)]
            for n, step in enumerate(self.steps)
        ]
        return "\n".join("\t".join(cells) for cells in (heads, *told)) + "\n"


class ValuesSheet(QDialog):
    """Opened by Return on a chart, or by its menu; Escape closes it."""

    def __init__(
        self,
        title: str,
        lines: Sequence[Line],
        series: Mapping[str, Series],
        across: ScaleAcross,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.setModal(True)
        layout = column(self, spacing=12, margins=20)
        self.model = ValuesModel(lines, series, across, self)
        top = row(spacing=8)
        top.addWidget(label(title, "heading", parent=self))
        top.addStretch(1)
        top.addWidget(label(words.count(self.model.rowCount(), "line"), "small", parent=self))
        layout.addLayout(top)
        self.table = data_table(self.model, f"Values of {title}", self)
        self.table.verticalHeader().hide()
        head = self.table.horizontalHeader()
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        wanted = sum(max(LEAST_COLUMN, head.sectionSizeHint(n)) for n in range(head.count()))
        for place in range(head.count()):
            head.resizeSection(place, max(LEAST_COLUMN, head.sectionSizeHint(place)))
        head.setStretchLastSection(False)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.resize(min(MOST_WIDTH, max(LEAST_WIDTH, wanted + 80)), 480)
        layout.addWidget(self.table, 1)
        layout.addLayout(self._buttons())
        QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self, self.copy)
        if self.model.rowCount():
            self.table.selectRow(self.model.rowCount() - 1)
            self.table.scrollToBottom()
        self.table.setFocus()

    def _buttons(self) -> QHBoxLayout:
        bar = row(spacing=8)
        copy = button("Copy All", parent=self, help="For a spreadsheet, unrounded")
        copy.setAutoDefault(False)
        copy.clicked.connect(self.copy)
        done = button("Done", "primary", parent=self)
        done.setDefault(True)
        done.clicked.connect(self.accept)
        bar.addWidget(copy)
        bar.addStretch(1)
        bar.addWidget(done)
        return bar

    @Slot()
    def copy(self) -> None:
        """The whole table to the clipboard."""
        QGuiApplication.clipboard().setText(self.model.as_text())


def _column(steps: Floats, own: Floats, values: Floats) -> Floats:
    """A curve's values (N,) at all steps (M,), NaN where it has none."""
    told = np.full(len(steps), np.nan)
    told[np.searchsorted(steps, own)] = values
    return told
