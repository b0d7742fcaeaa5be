"""A thread for one long piece of work that tells how far it is and can be ended: a trial, a past run, a download."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QThread, Signal

from droid_tune.control import Watch
from droid_tune.errors import Stopped
from ui.background import sentence_of
from ui.frame.lingering import LINGERING

#: (the watch, who hears of each step) -> the answer
WatchedWork = Callable[[Watch, Callable[[Any], object]], Any]


class WatchedThread(QThread):
    """`done` with the answer, or `failed` with a sentence; where it was stopped, `ended`. `stepped` tells each step."""

    progressed = Signal(float, float, str)  # done, of how many (bytes go beyond an int of Qt's), what
    stepped = Signal(object)  # a part of the answer
    done = Signal(object)
    failed = Signal(str)
    ended = Signal()

    def __init__(self, work: WatchedWork) -> None:
        super().__init__()
        self.setObjectName("watched")
        self._work = work
        self._stop = threading.Event()
        self._unheard = threading.Event()

    def begin(self) -> None:
        """Start; it is held until it has ended, whatever becomes of who began it, and deleted then."""
        LINGERING.keep(self)
        self.start()

    def stop(self) -> None:
        """End soon; what was told stays."""
        self._stop.set()

    def let_go(self) -> None:
        """Whoever asked goes away: it ends by itself, unheard."""
        self._unheard.set()
        self.stop()

    def run(self) -> None:
        try:
            found = self._work(Watch(self._progress, self._stop.is_set), self._step)
        except Stopped:
            if not self._unheard.is_set():
                self.ended.emit()
        except Exception as error:
            if not self._unheard.is_set():
                self.failed.emit(sentence_of(error))
        else:
            if not self._unheard.is_set():
                self.done.emit(found)

    def _progress(self, done: int, total: int, what: str) -> None:
        if not self._unheard.is_set():
            self.progressed.emit(done, total, what)

    def _step(self, part: Any) -> None:
        if not self._unheard.is_set():
            self.stepped.emit(part)
