"""What is shown of the data: which view, which split, and the row to go to."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSpinBox, QWidget

from droid_tune import words
from ui.panes.data.data_reader import Inspection
from ui.panes.data.files_card import SPLIT_WORDS
from ui.widgets.basics import label, row
from ui.widgets.segmented import Segmented

VIEWS = (
    ("rows", "Rows"),
    ("issues", "Issues"),
    ("statistics", "Statistics"),
    ("columns", "Columns"),
    ("tools", "Tools"),
)


class DataBar(QWidget):
    """`view` and `split` are chosen here; `row_wanted` tells a row's number from 1."""

    row_wanted = Signal(int)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._found: Inspection | None = None
        bar = row(self, spacing=10)
        self.view = Segmented(VIEWS, self, "Show")
        self._go = QSpinBox(self)
        self._go.setPrefix("Row ")
        self._go.setGroupSeparatorShown(True)
        self._go.setKeyboardTracking(False)
        self._go.setAccessibleName("Go to row")
        self._go.setToolTip("Go to a row by its number")
        self._go.valueChanged.connect(self.row_wanted)
        self._count = label("", "small", parent=self)
        self.split = Segmented(tuple(SPLIT_WORDS.items()), self, "Split")
        bar.addWidget(self.view)
        bar.addStretch(1)
        bar.addWidget(self._go)
        bar.addWidget(self._count)
        bar.addWidget(self.split)

    def show_found(self, found: Inspection) -> None:
        """The splits that have rows, and how many issues there are."""
        self._found = found
        self.view.retitle("issues", f"Issues ({found.issue_count:,})" if found.issue_count else "Issues")
        names = list(found.splits)
        for key in SPLIT_WORDS:
            self.split.allow(key, key in names)
        if names and self.split.key not in names:
            self.split.choose(names[0])

    def show_split(self) -> None:
        """Other rows: their number, beginning with the first."""
        rows = self._found.splits.get(self.split.key) if self._found is not None else None
        self._go.blockSignals(True)
        self._go.setRange(1, max(1, len(rows) if rows is not None else 1))
        self._go.setValue(1)
        self._go.blockSignals(False)
        self.say_count()

    def show_row(self, number: int) -> None:
        """The row that is chosen in the table, by whatever means."""
        self._go.blockSignals(True)
        self._go.setValue(number)
        self._go.blockSignals(False)

    def fit(self) -> None:
        """Only what has a meaning for the view that is chosen."""
        key, splits = self.view.key, self._found.splits if self._found is not None else {}
        self.split.setVisible(key in ("rows", "statistics") and len(splits) > 1)
        self._go.setVisible(key == "rows" and bool(splits))
        self._count.setVisible(key in ("rows", "issues"))
        self.say_count()

    def say_count(self) -> None:
        """How many rows, or issues, there are."""
        found = self._found
        if found is None:
            self._count.setText("")
        elif self.view.key == "issues":
            shown, total = len(found.issues), found.issue_count
            said = words.count(total, "issue")
            self._count.setText(said if shown == total else f"the first {shown:,} of {said}")
        else:
            rows = found.splits.get(self.split.key)
            self._count.setText(f"of {len(rows):,}" if rows is not None else "No rows to show")
