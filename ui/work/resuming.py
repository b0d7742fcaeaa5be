"""From the wish to go on with a run to the engine: it is read in the background, and asked about where it changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from droid_tune.runs.state import RunState
from ui.background import Task
from ui.engine_worker import Resumption
from ui.work.run_reading import read_resumed


class Resuming(QObject):
    """One run at a time; none of the signals comes of one that was dropped."""

    changed = Signal()  # it is being read now
    ready = Signal(object, object)  # the Resumption, and the RunState so far
    doubted = Signal(object, list)  # the Resumption, and what is not as it was, in sentences
    branched = Signal(object)  # the Resumption of a new run, made of the old one
    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._task: Task | None = None

    @property
    def busy(self) -> bool:
        """Whether a run is being read that is to go on."""
        return self._task is not None

    def read(self, resumption: Resumption) -> None:
        """Read the run; `ready` or `doubted` tells when that is done."""
        self._begin(partial(read_resumed, resumption), partial(self._sort, resumption))

    def branch_off(self, resumption: Resumption) -> None:
        """Make a new run of what is there now; the old one stays as it is."""
        from droid_tune.runs.origin.branch import branch_off

        self._begin(partial(branch_off, resumption.folder), partial(self._branched, resumption))

    def drop(self) -> None:
        """Nobody wants to go on any more."""
        if self._task is not None:
            self._task.drop()
            self._task = None

    def _begin(self, work: Callable[[], Any], done: Callable[[Any], object]) -> None:
        self._task = Task(work, self, done=done, failed=self._fail).start()
        self.changed.emit()

    def _sort(self, resumption: Resumption, found: tuple[RunState, list[str]]) -> None:
        state, doubts = found
        self._task = None
        if doubts:
            self.doubted.emit(resumption, doubts)
        else:
            self.ready.emit(resumption, state)

    def _branched(self, resumption: Resumption, folder: Path) -> None:
        self.branched.emit(replace(resumption, folder=folder, accepted=True))

    def _fail(self, sentence: str) -> None:
        self._task = None
        self.failed.emit(sentence)
