"""Choose a checkpoint of a run: its newest, its best by held-out rows, or another that is on disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from droid_tune import words
from droid_tune.names import BEST, LAST
from droid_tune.paths import RunPaths
from droid_tune.runs.best import Best, best_kept
from ui.background import Task
from ui.widgets.basics import plain_tip
from ui.widgets.quiet_combo import QuietCombo

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary


class CheckpointPicker(QuietCombo):
    """`choice` is what the engine takes: `last`, `best`, or a step. Hidden where there is nothing to choose."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Checkpoint")
        self._folder: Path | None = None
        self._steps: list[int] = []

    @property
    def choice(self) -> str:
        """What is chosen: `last`, `best`, or the step of a checkpoint."""
        return str(self.currentData() or LAST)

    def show_run(self, run: RunSummary) -> None:
        """Offer the checkpoints of this run; what was chosen of the same run stays. Old runs' best is read behind."""
        steps = sorted(RunPaths(run.folder).checkpoint_folders(), reverse=True)
        if run.folder == self._folder and steps == self._steps:
            return
        chosen = self.choice if run.folder == self._folder else LAST
        self._folder, self._steps = run.folder, steps
        self._offer(run.best, chosen)
        if run.best is None and steps:
            keep = partial(self._offer_best, run.folder)
            Task(partial(best_kept, run.folder), self, done=keep, failed=self._leave_out).start()

    def _offer_best(self, folder: Path, best: Best | None) -> None:
        if folder == self._folder and best is not None:
            self._offer(best, self.choice)

    def _leave_out(self, sentence: str) -> None:
        """A log that cannot be read names no best; the checkpoints stay to be chosen."""
        self.setToolTip(plain_tip(sentence))

    def _offer(self, best: Best | None, chosen: str) -> None:
        self.clear()
        self.addItem("Newest weights", LAST)
        if best is not None and best.step in self._steps:
            self.addItem(f"Best: {best}", BEST)
        for step in self._steps:
            self.addItem(f"Checkpoint of step {step:,}", str(step))
        self.setCurrentIndex(max(0, self.findData(chosen)))
        self.setToolTip(words.count(len(self._steps), "checkpoint"))
        self.setVisible(len(self._steps) > 0)
