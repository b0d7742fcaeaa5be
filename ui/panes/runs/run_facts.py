"""What is known of one run, line by line, and the checkpoint that it goes on from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from droid_tune import words
from droid_tune.metrics import describe
from ui.panes.runs.run_progress import method_label, telling
from ui.widgets.basics import label, selectable
from ui.widgets.checkpoint_picker import CheckpointPicker

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

DIFFERENCE, GO_ON = "Differs in", "Go on from"
FACTS = ("Method", DIFFERENCE, "Model", "Data", "Progress", "Begun", "Newest values", "Best", "Folder")
NOTHING = "–"


class RunFacts(QWidget):
    """`checkpoint_chosen` tells that another checkpoint was picked; the row is hidden where there is one only."""

    checkpoint_chosen = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)  # a form layout gives texts that wrap too few lines
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(16)
        self._grid.setVerticalSpacing(5)
        self._grid.setColumnStretch(1, 1)
        self._names: dict[str, QLabel] = {}
        self._values = {name: selectable(label("", parent=self, wrap=True)) for name in FACTS}
        for name, value in self._values.items():
            self._add_row(name, value)
        self.checkpoint = CheckpointPicker(self)
        self.checkpoint.activated.connect(self.checkpoint_chosen)
        self._add_row(GO_ON, self.checkpoint)

    def _add_row(self, name: str, value: QWidget) -> None:
        """The name stands beside the first line of a text."""
        row, beside = self._grid.rowCount(), Qt.AlignmentFlag
        self._names[name] = label(name, "secondary", parent=self)
        at = beside.AlignTop if isinstance(value, QLabel) else beside.AlignVCenter
        self._grid.addWidget(self._names[name], row, 0, at)
        self._grid.addWidget(value, row, 1)

    def show_run(self, run: RunSummary, step: int, difference: str) -> None:
        """A run at its step; `difference`: what tells it from others of its name."""
        for name, value in _facts_of(run, step, difference).items():
            self._values[name].setText(value)
        self.checkpoint.show_run(run)
        for name, value, shown in (
            (DIFFERENCE, self._values[DIFFERENCE], bool(telling(run, difference))),
            (GO_ON, self.checkpoint, self.checkpoint.count() > 1),
        ):
            self._names[name].setVisible(shown)
            value.setVisible(shown)


def _facts_of(run: RunSummary, step: int, difference: str) -> dict[str, str]:
    """Values by the names of `FACTS`."""
    newest = (
        f"{describe(name).label} {words.metric(name, value)}" for name, value in (run.metrics or {}).items()
    )
    return {
        "Method": method_label(run),
        DIFFERENCE: words.literal(telling(run, difference)),
        "Model": words.literal(run.model),
        "Data": words.literal(run.data),
        "Progress": f"step {step:,} of {run.total_steps:,}",
        "Begun": words.when(run.created),
        "Newest values": ", ".join(newest) or NOTHING,
        "Best": NOTHING if run.best is None else words.capitalised(str(run.best)),
        "Folder": str(run.folder),
    }
