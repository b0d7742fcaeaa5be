"""The head of a run: its name, which can be changed in place, its state, and why it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QLineEdit, QWidget

from droid_tune import words
from ui.widgets.basics import column, label, row
from ui.widgets.state_chip import StateChip

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary


class RunTitle(QWidget):
    """`renamed` tells the new name that was typed."""

    renamed = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        lines = column(self, spacing=12)
        top = row(spacing=10)
        self._title = label("", "title", parent=self)
        self._field = QLineEdit(self)
        self._field.setAccessibleName("Name of the run")
        self._field.hide()
        self._field.returnPressed.connect(self._take_name)
        self._chip = StateChip(self)
        top.addWidget(self._title)
        top.addWidget(self._field, 1)
        top.addWidget(self._chip)
        top.addStretch(1)
        lines.addLayout(top)
        self._why = label("", "small", parent=self, wrap=True)
        lines.addWidget(self._why)

    def show_run(self, run: RunSummary, state: str) -> None:
        """Of one run, in this state."""
        self._title.setText(words.literal(run.name))
        self._chip.show_life(state)
        self._chip.show()
        self._why.setText(run.why if state in ("failed", "stopped", "interrupted") else "")
        self._why.setVisible(bool(self._why.text()))

    def show_count(self, count: int) -> None:
        """Of none or several runs."""
        self._title.setText(words.count(count, "run") if count else "Choose a run")
        self._chip.hide()
        self._why.hide()

    def begin_rename(self, name: str) -> None:
        """Let the name be typed in place of the title."""
        self._field.setText(name)
        self._field.show()
        self._title.hide()
        self._field.setFocus()
        self._field.selectAll()

    def end_rename(self) -> None:
        """The title again; what was typed is dropped."""
        self._field.hide()
        self._title.show()

    @Slot()
    def _take_name(self) -> None:
        self.end_rename()
        self.renamed.emit(self._field.text().strip())
