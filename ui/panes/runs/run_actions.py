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
    ("open", "Open", ""),
    ("try", "Try It", ""),
    ("export", "Export…", "compact"),
    ("folder", "Show Folder", "compact"),
    ("report", "Report", "compact"),
    ("copy", "Copy Command", "compact"),
    ("rename", "Rename", "compact"),
    ("trash", "Move to Trash", "compact-danger"),
)
PICTURES = {"further": "train", "open": "monitor", "try": "playground"}


class RunActions(QWidget):
    """Both rows fit beside the list at 1024 pixels: compact buttons show a picture and tell their words as help."""

    def __init__(self, slots: Mapping[str, Callable[[], object]], parent: QWidget) -> None:
        super().__init__(parent)
        rows = column(self, spacing=8)
        bars = row(spacing=8), row(spacing=8)
        self._buttons: dict[str, QPushButton] = {}
        for key, text, role in BUTTONS:
            compact = role.startswith("compact")
            shown, icon = "" if compact else text, PICTURES.get(key, key)
            made = button(shown, role, parent=self, icon=icon, help=text)
            made.clicked.connect(slots[key])
            self._buttons[key] = made
            bars[compact].addWidget(made)
        for bar in bars:
            bar.addStretch(1)
            rows.addLayout(bar)

    def __getitem__(self, key: str) -> QPushButton:
        return self._buttons[key]

    def show_run(self, run: RunSummary, state: str, *, busy: bool, goes_back: bool) -> None:
        """What can be done with a run in this state; `busy`: one trains, `goes_back`: an older checkpoint is chosen."""
        self["resume"].setVisible((run.resumable or goes_back) and state != "running")
        self["resume"].setEnabled(not busy)
        self["further"].setVisible(state == "completed")
        self["further"].setEnabled(not busy)
        self["try"].setEnabled(not busy and state != "running")
        self["export"].setEnabled(not busy and bool(run.saved_step or state == "completed"))
        self["copy"].setEnabled((run.folder / "adapters.safetensors").exists())
        self["trash"].setEnabled(state != "running")
        self["rename"].setEnabled(state != "running")
