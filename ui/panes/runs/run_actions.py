"""The buttons of one run: what goes on with it above, what is done with its files below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QPushButton, QWidget

from ui.widgets.basics import button, column, row

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

#: key, words, role; its picture is called as the button is, but for those of `PICTURES`
BUTTONS = (
    ("resume", "Resume", "primary"),
    ("further", "Train Further…", ""),
    ("result", "Result", ""),
    ("open", "Curves", ""),
    ("try", "Try It", ""),
    ("again", "Run Again with Changes", "compact"),
    ("export", "Export…", "compact"),
    ("folder", "Reveal in Finder", "compact"),
    ("report", "Report", "compact"),
    ("copy", "Copy Command", "compact"),
    ("rename", "Rename", "compact"),
    ("trash", "Move to Trash", "compact-danger"),
)
PICTURES = {"further": "train", "open": "monitor", "try": "playground"}


class RunActions(QWidget):
    """One row that fits the smallest window: compact buttons show a picture and tell their words as help."""

    def __init__(self, slots: Mapping[str, Callable[[], object]], parent: QWidget) -> None:
        super().__init__(parent)
        lines = column(self)
        bar = row(spacing=6)
        self._buttons: dict[str, QPushButton] = {}
        for key, text, role in BUTTONS:
            shown, icon = "" if role.startswith("compact") else text, PICTURES.get(key, key)
            made = button(shown, role, parent=self, icon=icon, help=text)
            made.clicked.connect(slots[key])
            self._buttons[key] = made
            bar.addWidget(made)
        bar.addStretch(1)
        lines.addLayout(bar)

    def __getitem__(self, key: str) -> QPushButton:
        return self._buttons[key]

    def show_run(self, run: RunSummary, state: str, *, busy: bool, goes_back: bool) -> None:
        """What can be done with a run in this state; `busy`: one trains, `goes_back`: an older checkpoint is chosen."""
        self["resume"].setVisible((run.resumable or goes_back) and state != "running")
        self["resume"].setEnabled(not busy)
        self["further"].setVisible(state == "completed")
        self["further"].setEnabled(not busy)
        has_weights = bool(run.saved_step or state == "completed")
        self["try"].setEnabled(not busy and state != "running" and has_weights)
        self["export"].setEnabled(not busy and has_weights)
        self["copy"].setEnabled((run.folder / "adapters.safetensors").exists())
        self["trash"].setEnabled(state != "running")
        self["rename"].setEnabled(state != "running")
