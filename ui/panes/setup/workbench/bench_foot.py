"""The foot of the workbench: how far it is, and what can be pressed."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame, QWidget

from droid_tune import words
from ui.widgets.basics import button, label, row
from ui.widgets.calm_bar import CalmBar

TRYING = "Trying…"


class BenchFoot(QFrame):
    """Close is Stop while something is tried."""

    close_asked = Signal()
    score_asked = Signal()
    try_asked = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "footer")
        bar = row(self, spacing=10)
        bar.setContentsMargins(20, 10, 20, 10)
        self._bar = CalmBar(self)
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName("How far the trial is")
        self._bar.setMaximumWidth(200)
        self._doing = label("", "small", parent=self)
        bar.addWidget(self._bar)
        bar.addWidget(self._doing)
        bar.addStretch(1)
        self.close_button = button("Close", parent=self)
        self.score_button = button(
            "Score Run Anew", parent=self, help="Every completion of the past run, without training"
        )
        self.try_button = button("Try", "primary", parent=self, help="On 8 rows of the data")
        for made, asked in (
            (self.close_button, self.close_asked),
            (self.score_button, self.score_asked),
            (self.try_button, self.try_asked),
        ):
            made.setAutoDefault(False)
            made.clicked.connect(asked)
            bar.addWidget(made)
        self._working = True
        self.show_state(working=False, able=False, has_run=False)

    def show_state(self, *, working: bool, able: bool, has_run: bool) -> None:
        """`able`: the reward can be tried; `has_run`: a past run is chosen."""
        if working and not self._working:
            self._bar.setRange(0, 0)
            self._doing.setText(TRYING)
        self._working = working
        self._bar.setVisible(working)
        self._doing.setVisible(working)
        self.close_button.setText("Stop" if working else "Close")
        self.try_button.setEnabled(able and not working)
        self.score_button.setEnabled(able and not working and has_run)

    @Slot(float, float, str)
    def show_progress(self, done: float, total: float, what: str) -> None:
        """How far it is, and what is in hand."""
        self._bar.setRange(0, 1000 if total else 0)
        self._bar.setValue(round(1000 * done / total) if total else 0)
        path, name = what.rpartition("/")[::2]
        self.say(name if path or Path(name).suffix else words.capitalised(name))

    def say(self, text: str) -> None:
        """Beside the bar."""
        self._doing.setText(text)
