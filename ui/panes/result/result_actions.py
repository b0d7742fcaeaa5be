"""What can be done with a run that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QPushButton, QWidget

from ui.one_run.run_deeds import RunDeeds
from ui.widgets.basics import button, row

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary


class ResultActions(QWidget):
    """One row, the most likely step first."""

    def __init__(self, deeds: RunDeeds, parent: QWidget) -> None:
        super().__init__(parent)
        bar = row(self, spacing=8)
        self._buttons: dict[str, QPushButton] = {}
        for key, text, role, icon, help_text, slot in (
            ("resume", "Resume", "", "resume", "Go on to the planned end", deeds.resume),
            (
                "try",
                "Try It",
                "primary",
                "playground",
                "Ask the model before and after training",
                deeds.try_it,
            ),
            ("further", "Train Further…", "", "train", "Go on beyond the planned end", deeds.ask_further),
            (
                "again",
                "Run Again with Changes",
                "",
                "again",
                "Fill the form with the settings of this run",
                deeds.run_again,
            ),
            ("export", "Export…", "", "export", "Take the model along", deeds.export),
            ("reveal", "", "compact", "folder", "Reveal in Finder", deeds.reveal),
            ("report", "", "compact", "report", "Report: the page to keep or send", deeds.report),
        ):
            made = button(text, role, parent=self, icon=icon, help=help_text)
            made.clicked.connect(slot)
            self._buttons[key] = made
            bar.addWidget(made)
        bar.addStretch(1)

    def __getitem__(self, key: str) -> QPushButton:
        return self._buttons[key]

    def show_run(self, run: RunSummary | None, *, busy: bool) -> None:
        """What can be done with this run; None: nothing until it is listed. `busy`: one trains."""
        able = run is not None
        has_weights = run is not None and bool(run.saved_step or run.state == "completed")
        self["resume"].setVisible(run is not None and run.resumable)
        self["further"].setVisible(run is not None and run.state == "completed")
        for key in ("resume", "further"):
            self[key].setEnabled(able and not busy)
        for key in ("try", "export"):
            self[key].setEnabled(has_weights and not busy)
        for key in ("again", "reveal", "report"):
            self[key].setEnabled(able)
