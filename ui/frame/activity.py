"""The capsule in the toolbar: what is going on in one line, with a thin progress bar. A click leads to the run."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QFrame, QLabel, QSizePolicy, QWidget

from droid_tune import words
from droid_tune.runs.state import RunState
from droid_tune.words import literal
from ui.widgets.basics import column, label, plain_tip
from ui.widgets.calm_bar import CalmBar

#: how an end is called
ENDED = {"completed": "Completed", "stopped": "Stopped", "failed": "Failed", "interrupted": "Interrupted"}
#: with and without the progress bar, so that the toolbar keeps its own
HEIGHT = 38


class Activity(QFrame):
    """`clicked` wherever it is pressed."""

    clicked = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "activity")
        self.setMinimumWidth(240)
        self.setMaximumWidth(520)
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        layout = column(self, spacing=4)
        layout.setContentsMargins(12, 6, 12, 7)
        self._words: QLabel = label("", "small", parent=self)
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._words.setMinimumWidth(80)
        self._bar = CalmBar(self)
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 1000)
        layout.addWidget(self._words)
        layout.addWidget(self._bar)

    def show_run(self, state: RunState | None, *, stopping: bool, name: str = "") -> None:
        """Show where the run is; None is no run. `name` where the panes draw another one."""
        words = activity_words(state, stopping=stopping)
        if name:
            words = f"{literal(name)}: {words}"
        if self._words.text() != words:
            self._words.setText(words)
            self._words.setToolTip(plain_tip(words))
            self.setAccessibleName(words)
        self._bar.setVisible(state is not None and state.running)
        if state is not None:
            self._bar.setValue(round(1000 * state.fraction))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        self.clicked.emit()


def activity_words(state: RunState | None, *, stopping: bool) -> str:
    """`Step 34 of 200 · Sampling completions · 1 min 20 s left`."""
    if state is None:
        return "Ready"
    if stopping:
        return "Stopping: the run is being saved…"
    if not state.running:
        if not (state.total_steps and state.step):
            return f"{ENDED.get(state.life, 'Ended')} before the first step"
        ended = "Stopped and saved" if state.life == "stopped" else ENDED.get(state.life, "Ended")
        return f"{ended} at step {state.step:,} of {state.total_steps:,}"
    if not state.total_steps:
        return "Starting…"
    parts = [f"Step {state.step:,} of {state.end_step:,}"]
    doing = "paused" if state.life == "paused" else state.doing
    if doing:
        parts.append(words.capitalised(doing))
    left = state.seconds_left
    if left is not None and state.life != "paused":
        parts.append(f"{words.duration(left)} left")
    return " · ".join(parts)
