"""The head of a run: its name, its state, and why it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from droid_tune import words
from ui.widgets.basics import column, prose, row
from ui.widgets.elided_label import ElidedLabel
from ui.widgets.state_chip import StateChip

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary


class RunTitle(QWidget):
    """Of one run, or how many are chosen."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        lines = column(self, spacing=12)
        top = row(spacing=10)
        self._title = ElidedLabel("title", self)
        self._chip = StateChip(self)
        top.addWidget(self._title)
        top.addWidget(self._chip)
        top.addStretch(1)
        lines.addLayout(top)
        self._why = prose("", "small", parent=self)
        lines.addWidget(self._why)

    def show_run(self, run: RunSummary, state: str) -> None:
        """Of one run, in this state."""
        self.show_named(run.name, state, run.why if state in ("failed", "stopped", "interrupted") else "")

    def show_named(self, name: str, state: str, why: str) -> None:
        """Of a run by its name, in this state, with the reason of its end where there is one to tell."""
        self._title.setText(words.literal(name))
        self._chip.show_life(state)
        self._why.setText(why)
        self._why.setVisible(bool(why))

    def show_count(self, count: int) -> None:
        """Of none or several runs."""
        self._title.setText(words.count(count, "run") if count else "Choose a run")
        self._chip.hide()
        self._why.hide()
