"""Another model beside the first: a run, and a checkpoint of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QComboBox, QWidget

from droid_tune import words
from ui.widgets.basics import button, label, row
from ui.widgets.checkpoint_picker import CheckpointPicker
from ui.widgets.quiet_combo import QuietCombo

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

#: so much of each choice is always seen
LETTERS = 10


class VoicePicker(QWidget):
    """`removed` tells that it is not wanted any more."""

    removed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._known: Sequence[RunSummary] = ()
        bar = row(self, spacing=10)
        bar.addWidget(label("and", "strong", parent=self))
        self.runs = QuietCombo(self)
        self.runs.setAccessibleName("Another trained model")
        self.runs.currentIndexChanged.connect(self._show_checkpoints)
        self.checkpoint = CheckpointPicker(self)
        for combo in (self.runs, self.checkpoint):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(LETTERS)
            bar.addWidget(combo, 1)
        away = button("", "compact", parent=self, icon="close", help="Without this column")
        away.clicked.connect(self.removed)
        bar.addWidget(away)

    def offer(self, runs: Sequence[RunSummary]) -> None:
        """The runs to choose from; the chosen one stays where it is still there."""
        self._known = runs
        fill_runs(self.runs, runs, self.runs.currentData())
        self._show_checkpoints()

    def choose_beside(self, taken: Sequence[str]) -> None:
        """Another run than those whose folders are given; where each is taken, another checkpoint of the first."""
        folders = [str(run.folder) for run in self._known]
        free = [place for place, folder in enumerate(folders) if folder not in taken]
        self.runs.setCurrentIndex(free[0] if free else 0)
        if not free:
            self.checkpoint.setCurrentIndex(min(len(taken), self.checkpoint.count() - 1))

    @property
    def weights(self) -> tuple[Path, str] | None:
        """The run and its checkpoint; None where there is no run."""
        folder = self.runs.currentData()
        return (Path(folder), self.checkpoint.choice) if folder else None

    @property
    def title(self) -> str:
        """What its column is called."""
        return title_of(self.runs, self.checkpoint)

    @Slot()
    def _show_checkpoints(self) -> None:
        folder = self.runs.currentData()
        for run in self._known:
            if str(run.folder) == folder:
                self.checkpoint.show_run(run)


def fill_runs(combo: QComboBox, runs: Sequence[RunSummary], chosen: str | None) -> None:
    """Each run by its name and step; `chosen` is its folder."""
    combo.blockSignals(True)
    combo.clear()
    for run in runs:
        combo.addItem(f"{words.literal(run.name)} · step {run.step:,}", str(run.folder))
    combo.setCurrentIndex(max(0, combo.findData(chosen)))
    combo.blockSignals(False)


def title_of(runs: QComboBox, checkpoint: CheckpointPicker) -> str:
    """`GRPO starter · step 60`, or `GRPO starter · Checkpoint of step 20` where that one is chosen."""
    if checkpoint.currentIndex() <= 0:
        return runs.currentText()
    return f"{runs.currentText().rpartition(' · step ')[0]} · {checkpoint.currentText()}"
