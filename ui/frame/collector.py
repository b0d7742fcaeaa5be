"""Python's garbage is collected in the window's thread alone, by a timer.

Left to itself Python collects in whatever thread allocates: the engine's would destroy widgets, which ends a process
without a word. A look at everything also takes 0.1 s once the engine's libraries are read; what survives such a look is
therefore left out of the next ones until somebody asks for all of it (tests/benchmarks/window_gaps.py).
"""

from __future__ import annotations

import gc
import threading
import time

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from droid_tune.machine import garbage

EVERY_MS = 1000
#: objects made and not freed since the last look, from which on a look is worth it
YOUNG = 5_000
#: looks at the youngest for one at the middle ones, and of those for one at all
PER_OLDER = 10
#: a look at all that takes longer is not repeated over the same objects
LONG_S = 0.03
#: a thread that asks does not wait longer for a window that is busy
PATIENCE_S = 2.0


class Collector(QObject):
    """Belongs to the window's thread; `start` once the window is painted, `stop` when it will take no more events."""

    _asked = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.setTimerType(Qt.TimerType.CoarseTimer)
        self._timer.timeout.connect(self.look)
        self._asked.connect(self._answer, Qt.ConnectionType.QueuedConnection)

    @Slot()
    def start(self) -> None:
        """From now on; what was made before is left out of every look but one that is asked for."""
        gc.disable()
        gc.freeze()
        garbage.collect_by(self.collect_all)
        self._timer.start()

    def stop(self) -> None:
        """Nothing is collected any more: the process ends."""
        self._timer.stop()
        garbage.collect_by(_nothing)

    @Slot()
    def look(self) -> None:
        """Collect as far as it is due."""
        young, middle, old = gc.get_count()
        if old >= PER_OLDER:
            _look_at_all()
        elif middle >= PER_OLDER:
            gc.collect(1)
        elif young >= YOUNG:
            gc.collect(0)

    def collect_all(self) -> None:
        """Everything, in the window's thread; another thread waits for it, though not for ever."""
        if threading.current_thread() is threading.main_thread():
            _collect_whole()
            return
        done = threading.Event()
        self._asked.emit(done)
        done.wait(PATIENCE_S)

    @Slot(object)
    def _answer(self, done: threading.Event) -> None:
        _collect_whole()
        done.set()


def _look_at_all() -> None:
    began = time.perf_counter()
    gc.collect()
    if time.perf_counter() - began > LONG_S:
        gc.freeze()


def _collect_whole() -> None:
    """What was left out of the last looks as well."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _nothing() -> None:
    """While the process ends."""
