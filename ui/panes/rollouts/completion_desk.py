"""Asks the table of a run's completions, off the window's thread; pages of what is seen are read at once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from droid_tune.events import RolloutGroup
from droid_tune.paths import RunPaths
from droid_tune.runs.completions.asking import Visit, Wanted, find, groups_at, steps_of, visits_of
from droid_tune.runs.completions.completion_index import CompletionIndex
from ui.background import Task

#: how far the file is read, the reward parts, the steps of sampled and of held-out completions, whether there is more
Told = tuple[int, list[str], dict[bool, list[int]], bool]


class CompletionDesk(QObject):
    """The completions of one run at a time. The newest question counts; answers to earlier ones are dropped."""

    grown = Signal()  # there is more to find than before
    found = Signal(object, object)  # Wanted, ids
    visited = Signal(object)  # every Visit of the run
    groups_read = Signal(int, object)  # a step, its groups
    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.rollouts: Path | None = None
        self.parts: list[str] = []
        self._index: CompletionIndex | None = None
        self._reading: Task | None = None
        self._asking: Task | None = None
        self._fetching: Task | None = None
        self._steps: dict[bool, list[int]] = {}  # of sampled and of held-out completions
        self.read_bytes = -1

    def open(self, folder: Path | None) -> None:
        """Look at another run's completions; None: at no run's."""
        self.close()
        if folder is not None:
            self.rollouts = RunPaths(folder).rollouts
            self.refresh()

    def close(self) -> None:
        """Let go of the files; no answer comes any more."""
        for task in (self._reading, self._asking, self._fetching):
            if task is not None:
                task.drop()
        if self._index is not None:
            self._index.close()
        self._index = self._reading = self._asking = self._fetching = self.rollouts = None
        self.parts, self._steps, self.read_bytes = [], {}, -1

    @property
    def index(self) -> CompletionIndex | None:
        """The table, for pages of a few rows; None while no run is open or its table cannot be read."""
        if self._index is None and self.rollouts is not None and self.read_bytes >= 0:
            self._index = CompletionIndex(self.rollouts)
        return self._index

    def refresh(self) -> None:
        """Bring the table up to date where the run wrote more; `grown` tells when it is."""
        if self.rollouts is None or self._reading is not None or not self.rollouts.exists():
            return
        if self.rollouts.stat().st_size == self.read_bytes:
            return
        work = partial(brought_up_to_date, self.rollouts)
        self._reading = Task(work, self, done=self._grew, failed=self._failed).start()

    def ask(self, wanted: Wanted) -> None:
        """Which completions are wanted; `found` tells their ids. Nothing is until the table was read once: `grown` tells."""
        if self._asking is not None:
            self._asking.drop()
        if self.rollouts is not None and self.read_bytes >= 0:
            done = partial(self.found.emit, wanted)
            self._asking = Task(
                partial(ids_of, self.rollouts, wanted), self, done=done, failed=self._failed
            ).start()

    def steps(self, *, held_out: bool) -> list[int]:
        """The steps in the table so far."""
        return self._steps.get(held_out, [])

    def ask_groups(self, step: int) -> None:
        """A step's groups from the file, which may have megabytes: `groups_read` tells those of the step asked for last."""
        self.drop_groups()
        if self.rollouts is not None and self.read_bytes >= 0:
            done = partial(self.groups_read.emit, step)
            self._fetching = Task(
                partial(groups_in, self.rollouts, step), self, done=done, failed=self._failed
            ).start()

    def drop_groups(self) -> None:
        """Nobody waits for groups any more."""
        if self._fetching is not None:
            self._fetching.drop()
            self._fetching = None

    def ask_visits(self) -> None:
        """Every visit of every prompt; `visited` tells them."""
        if self.rollouts is not None:
            Task(
                partial(all_visits, self.rollouts), self, done=self.visited.emit, failed=self._failed
            ).start()

    def _grew(self, told: Told) -> None:
        self._reading = None
        self.read_bytes, self.parts, self._steps, more = told
        self.grown.emit()
        if more:
            self.refresh()

    def _failed(self, sentence: str) -> None:
        self._reading = None
        self.failed.emit(sentence)


def brought_up_to_date(rollouts: Path) -> Told:
    """Read one more portion of the file: how far it is read, the reward parts, the steps, and whether there is more."""
    with CompletionIndex(rollouts) as index:
        more = next(index.update(), None) is not None
        steps = {held_out: steps_of(index, held_out=held_out) for held_out in (False, True)}
        return index.bytes_read, list(index.part_columns()), steps, more


def groups_in(rollouts: Path, step: int) -> list[RolloutGroup]:
    """All groups of a step."""
    with CompletionIndex(rollouts) as index:
        return groups_at(index, step)


def ids_of(rollouts: Path, wanted: Wanted) -> list[int]:
    """The ids of what is wanted; a part that no completion has yet finds nothing."""
    with CompletionIndex(rollouts) as index:
        try:
            return find(index, wanted)
        except KeyError:
            return []


def all_visits(rollouts: Path) -> list[Visit]:
    """Every visit of the run, in order of prompt and step."""
    with CompletionIndex(rollouts) as index:
        return visits_of(index)
