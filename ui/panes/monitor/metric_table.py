"""The curves as a table: what VoiceOver and a copy into a spreadsheet need."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from droid_tune import words
from droid_tune.metrics import describe
from droid_tune.runs.series import Series
from ui.widgets.curves import LEAST_FOR_TREND, trend
from ui.widgets.lists.tables import TellingDelegate

HEADINGS = ("Metric", "Newest", "First", "Lowest", "Highest", "Trend", "Values")
NUMBERS = {"Newest", "First", "Lowest", "Highest", "Values"}


class MetricTable(QTableWidget):
    """One line per metric, in the catalogue's words."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(0, len(HEADINGS), parent)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setShowGrid(False)
        self.setAccessibleName("Metrics of the run")
        self.verticalHeader().hide()
        for place, heading in enumerate(HEADINGS):
            item = QTableWidgetItem(heading)
            item.setTextAlignment(_alignment(place))
            self.setHorizontalHeaderItem(place, item)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.setItemDelegate(TellingDelegate(self))
        self.setWordWrap(False)
        self.setMinimumHeight(420)

    def show_series(self, series: Mapping[str, Series]) -> None:
        """A line for each metric that has a value, in the columns of `HEADINGS`."""
        told = {name: found for name, found in series.items() if len(found)}
        self.setRowCount(len(told))
        for line, (name, found) in enumerate(told.items()):
            for place, text in enumerate(_cells(name, found)):
                item = self.item(line, place)
                if item is None:  # pyright: ignore[reportUnnecessaryComparison]
                    item = QTableWidgetItem()
                    item.setTextAlignment(_alignment(place))
                    self.setItem(line, place, item)
                if item.text() != text:
                    item.setText(text)


def _alignment(place: int) -> Qt.AlignmentFlag:
    """Numbers stand below one another by their ends."""
    side = Qt.AlignmentFlag.AlignRight if HEADINGS[place] in NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _cells(name: str, found: Series) -> tuple[str, ...]:
    values = np.array(found.values)
    numbers = (found.last, float(values[0]), float(values.min()), float(values.max()))
    return (
        describe(name).label,
        *(words.metric(name, value) for value in numbers),
        trend(values) if len(values) >= LEAST_FOR_TREND else "–",
        f"{len(found):,}",
    )
