"""Work on data that takes a while: off the GUI thread, with progress, cancelled by a call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, QThreadPool, Signal

from droid_tune.control import Watch
from ui.background import Task

Work = Callable[[Watch], Any]


class DataJob(Task):
    """Calls `work(watch)`; a job that was cancelled calls nobody back."""

    progressed = Signal(int)  # thousandths

    def __init__(
        self,
        work: Work,
        owner: QObject,
        *,
        done: Callable[[Any], object],
        failed: Callable[[str], object],
        pool: QThreadPool | None = None,
    ) -> None:
        super().__init__(self._watched, owner, done=done, failed=failed)
        self._on_data = work
        self._pool = pool or QThreadPool.globalInstance()
        self._cancelled = threading.Event()
        self._shown = -1

    def cancel(self) -> None:
        """The work ends at its next step; what it would have told is dropped."""
        self._cancelled.set()
        self.drop()

    def _begin(self) -> None:
        self._pool.start(self._run)

    def _watched(self) -> Any:
        return self._on_data(Watch(self._progress, self._cancelled.is_set))

    def _progress(self, done: int, total: int, _what: str) -> None:
        thousandths = round(1000 * done / total) if total else 0
        if thousandths != self._shown:
            self._shown = thousandths
            self._post(partial(self._say, thousandths))

    def _say(self, thousandths: int) -> None:
        if not self._cancelled.is_set():
            self.progressed.emit(thousandths)
