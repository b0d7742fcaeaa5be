"""The thread that asks the workbench: one trial, or one past run scored anew, which can be ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal

from droid_tune.control import Watch
from droid_tune.errors import Stopped
from ui.background import sentence_of
from ui.frame.lingering import LINGERING

#: (the watch, who hears of each step) -> the answer
BenchWork = Callable[[Watch, Callable[[Any], object]], Any]


class BenchThread(QThread):
    """`done` with the answer, or `failed` with a sentence; where it was stopped, `ended`. `stepped` tells each step."""

    progressed = Signal(int, int, str)  # done, of how many, what
    stepped = Signal(object)  # RescoredStep
    done = Signal(object)
    failed = Signal(str)
    ended = Signal()

    def __init__(self, work: BenchWork, parent: QObject) -> None:
        super().__init__(parent)
        self.setObjectName("workbench")
        self._work = work
        self._stop = threading.Event()

    def stop(self) -> None:
        """End soon; what was told stays."""
        self._stop.set()

    def let_go(self) -> None:
        """Whoever asked goes away: it ends by itself, unheard, and is deleted then."""
        self.stop()
        for signal in (self.progressed, self.stepped, self.done, self.failed, self.ended):
            signal.disconnect()
        LINGERING.keep(self)

    def run(self) -> None:
        try:
            self.done.emit(self._work(Watch(self.progressed.emit, self._stop.is_set), self.stepped.emit))
        except Stopped:
            self.ended.emit()
        except Exception as error:
            self.failed.emit(sentence_of(error))
