"""The run that the panes draw: the one that trains, or one from disk, read in the background."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from droid_tune.paths import RunPaths
from droid_tune.runs.state import RunState
from ui.background import Task
from ui.widgets.charting.step_cursor import StepCursor
from ui.work.run_reading import past_of, read_run


class ShownRun(QObject):
    """`state` is empty and `folder` None while none is shown. `cursor` is the step that is looked at."""

    changed = Signal()  # another run is shown
    unreadable = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.state = RunState()
        self.folder: Path | None = None
        self.cursor = StepCursor(self)
        self._reading: Task | None = None

    def show(self, state: RunState, folder: Path | None) -> None:
        """Show a run whose state is known."""
        self.state, self.folder = state, folder
        self.cursor.forget()
        self.changed.emit()

    def read(self, folder: Path) -> None:
        """Show a run from disk as soon as it is read."""
        self.drop_reading()
        done = partial(self._show_read, folder)
        self._reading = Task(partial(read_run, folder), self, done=done, failed=self.unreadable.emit).start()

    def drop_reading(self) -> None:
        """The newest wish counts, however long the ones before take to read."""
        if self._reading is not None:
            self._reading.drop()

    def follow(self, before: Path, now: Path) -> None:
        """The folder `before` was moved: where it is the shown run's, that is `now`."""
        if self.folder == before:
            self.folder = now
            self.changed.emit()

    def forget(self) -> None:
        """Show none: its folder is gone."""
        self.drop_reading()
        self.state, self.folder = RunState(), None
        self.changed.emit()

    def read_past(self, folder: Path, state: RunState) -> None:
        """What only all of a run's completions tell, in the background: they may be many."""
        if RunPaths(folder).rollouts.exists():
            Task(partial(past_of, folder), self, done=state.fill, failed=self.unreadable.emit).start()

    def _show_read(self, folder: Path, state: RunState) -> None:
        self.show(state, folder)
        self.read_past(folder, state)
