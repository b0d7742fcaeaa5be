"""How far a run is and how it is called, in every part of the Runs pane the same."""

from __future__ import annotations

import logging
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from droid_tune import words
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.runs.origin.differences import differences
from ui.background import Task
from ui.session import Session

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary


log = logging.getLogger(__name__)

#: runs that are compared in no time
FEW = 100


def progress_of(session: Session, run: RunSummary) -> tuple[int, str]:
    """Step and state, the live run's from memory."""
    live = session.live
    if session.training and live is not None and run.folder == session.live_folder:
        return live.step, live.life if live.life != "paused" else "running"
    return run.step, run.state


def method_label(run: RunSummary) -> str:
    """The method's name; its key where the run is of a newer version."""
    return METHOD_CONFIGS[run.method].label if run.method in METHOD_CONFIGS else run.method


def telling(run: RunSummary, difference: str) -> str:
    """What tells a run from its namesakes, where it is more than when it began, which stands beside it."""
    return "" if difference == words.when(run.created) else difference


class RunNames(QObject):
    """What tells runs of the same name apart: `differences` by id, of those that were read last."""

    changed = Signal()  # they were compared behind the window

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.differences: dict[str, str] = {}
        self._compared: tuple[date, list[tuple[str, str]]] | None = None
        self._comparing: Task | None = None

    def read(self, runs: list[RunSummary]) -> None:
        """Compare the runs with each other: at once, or behind the window where they are many. Each day anew: what differs
        may be when they began."""
        told = (date.today(), [(run.id, run.name) for run in runs])
        if told == self._compared:
            return
        self._compared = told
        if self._comparing is not None:
            self._comparing.drop()
            self._comparing = None
        if len(runs) <= FEW:
            self.differences = differences(runs)
            return
        work = partial(differences, runs)
        self._comparing = Task(work, self, done=self._keep, failed=log.warning).start()

    def _keep(self, found: dict[str, str]) -> None:
        self.differences, self._comparing = found, None
        self.changed.emit()

    def name_of(self, run: RunSummary) -> str:
        """The run's name, with what makes the difference where others are called the same."""
        return words.literal(" · ".join(filter(None, (run.name, self.differences.get(run.id)))))
