"""What is known of one run, line by line, and the checkpoint that it goes on from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFormLayout, QWidget

from droid_tune import words
from droid_tune.metrics import describe
from ui.panes.runs.run_progress import method_label, telling
from ui.widgets.basics import label, selectable
from ui.widgets.checkpoint_picker import CheckpointPicker

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

FACTS = ("Method", "Differs in", "Model", "Data", "Progress", "Begun", "Newest values", "Best", "Folder")
NOTHING = "–"


class RunFacts(QWidget):
    """`checkpoint_chosen` tells that another checkpoint was picked; the row is hidden where there is one only."""

    checkpoint_chosen = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setHorizontalSpacing(16)
        self._form.setVerticalSpacing(5)
        self._values = {name: selectable(label("", parent=self, wrap=True)) for name in FACTS}
        for name, value in self._values.items():
            self._form.addRow(label(name, "secondary", parent=self), value)
        self.checkpoint = CheckpointPicker(self)
        self.checkpoint.activated.connect(self.checkpoint_chosen)
        self._checkpoint_row = self._form.rowCount()
        self._form.addRow(label("Go on from", "secondary", parent=self), self.checkpoint)

    def show_run(self, run: RunSummary, step: int, difference: str) -> None:
        """A run at its step; `difference`: what tells it from others of its name."""
        for name, value in _facts_of(run, step, difference).items():
            self._values[name].setText(value)
        self._form.setRowVisible(self._values["Differs in"], bool(telling(run, difference)))
        self.checkpoint.show_run(run)
        self._form.setRowVisible(self._checkpoint_row, self.checkpoint.count() > 1)


def _facts_of(run: RunSummary, step: int, difference: str) -> dict[str, str]:
    """Values by the names of `FACTS`."""
    newest = (
        f"{describe(name).label} {words.metric(name, value)}" for name, value in (run.metrics or {}).items()
    )
    return {
        "Method": method_label(run),
        "Differs in": words.literal(telling(run, difference)),
        "Model": words.literal(run.model),
        "Data": words.literal(run.data),
        "Progress": f"step {step:,} of {run.total_steps:,}",
        "Begun": words.when(run.created),
        "Newest values": ", ".join(newest) or NOTHING,
        "Best": NOTHING if run.best is None else words.capitalised(str(run.best)),
        "Folder": str(run.folder),
    }
