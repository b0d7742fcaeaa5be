"""Work on data that takes a while: off the GUI thread, with progress, cancelled by a call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QThreadPool, Signal

from droid_tune.errors import Stopped
from ui.background import Task

Progress = Callable[[int, int], None]
Work = Callable[[Progress, Callable[[], bool]], Any]


class Job(Task):
    """Calls `work(progress, should_stop)`; a cancelled job is silent but for `stopped`."""

    progressed = Signal(int)  # thousandths
    stopped = Signal()

    def __init__(self, work: Work, parent: QObject, pool: QThreadPool | None = None) -> None:
        super().__init__(self._watched, parent)
        self._on_data = work
        self._pool = pool or QThreadPool.globalInstance()
        self._cancelled = threading.Event()
        self._told = -1

    def cancel(self) -> None:
        self._cancelled.set()

    def start(self) -> Job:
        """Connect first: a short job may be done before this returns."""
        self._pool.start(self._run)
        return self

    def _watched(self) -> Any:
        return self._on_data(self._progress, self._cancelled.is_set)

    def _progress(self, done: int, total: int) -> None:
        thousandths = round(1000 * done / total) if total else 0
        if thousandths != self._told:
            self._told = thousandths
            self._tell(self.progressed, thousandths)

    def _run(self) -> None:
        try:
            result = self._watched()
        except Stopped:
            self._tell(self.stopped)
        except Exception as error:
            self._fail(error)
        else:
            if not self._cancelled.is_set():
                self._tell(self.done, result)


def ticking(progress: Progress, should_stop: Callable[[], bool]) -> Progress:
    """Progress that ends the work where it is no longer wanted."""

    def tick(done: int, total: int) -> None:
        progress(done, total)
        if should_stop():
            raise Stopped

    return tick
