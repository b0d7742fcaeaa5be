"""Exporting and uploading off the GUI thread: one piece of work that tells how far it is and can be ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal

from droid_tune.control import Watch
from droid_tune.errors import Stopped
from ui.background import sentence_of
from ui.engine_worker import EngineDoor
from ui.frame.lingering import LINGERING


class ExportThread(QThread):
    """Calls `work` with a watch: `done` with what it returns, `failed` with a sentence, or `ended` where it was stopped."""

    progressed = Signal(int, int, str)  # done, of how many, what
    done = Signal(object)
    failed = Signal(str)
    ended = Signal()

    def __init__(self, engine: EngineDoor, work: Callable[[Watch], Any], parent: QObject) -> None:
        super().__init__(parent)
        self.setObjectName("export")
        self._engine, self._work = engine, work
        self._stop = threading.Event()

    def stop(self) -> None:
        """End soon; nothing half-written stays."""
        self._stop.set()

    def let_go(self) -> None:
        """Whoever asked goes away: it ends by itself and is deleted then."""
        self.stop()
        LINGERING.keep(self)

    def run(self) -> None:
        try:
            self.done.emit(self._work(Watch(self.progressed.emit, self._stop.is_set)))
        except Stopped:
            self.ended.emit()
        except Exception as error:
            self.failed.emit(sentence_of(error))
        finally:
            self._engine.release()
