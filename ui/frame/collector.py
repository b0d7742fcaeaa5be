"""Python's garbage is collected in the window's thread alone, by a timer.

Left to itself Python collects in whatever thread allocates: the engine's would destroy widgets, which ends a process
without a word. A look at everything also takes 0.15 s once the engine's libraries are read (tests/benchmarks/window_gaps.py,
2026-11-30), hence libraries are left out of every look; what a look that took long all the same left over is left out of
the next ones until somebody asks for all of it.
"""

from __future__ import annotations

import gc
import threading
import time

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from droid_tune.machine import garbage

EVERY_MS = 200
#: objects made and not freed since the last look, from which on a look is worth it
YOUNG = 5_000
#: looks at the youngest for one at the middle ones, and of those for one at all
PER_OLDER = 10
#: a look at all that takes longer (of this thread's CPU) is not repeated over the same objects
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
        self._left_out = False  # more than the libraries

    @Slot()
    def start(self) -> None:
        """From now on; what was made before is left out of every look."""
        gc.disable()
        gc.freeze()
        garbage.collect_by(self.collect_all, gc.freeze)
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
            self._look_at_all()
        elif middle >= PER_OLDER:
            gc.collect(1)
        elif young >= YOUNG:
            gc.collect(0)

    def collect_all(self) -> None:
        """Everything, in the window's thread; another thread waits for it, though not for ever."""
        if threading.current_thread() is threading.main_thread():
            self._collect_whole()
            return
        done = threading.Event()
        self._asked.emit(done)
        done.wait(PATIENCE_S)

    @Slot(object)
    def _answer(self, done: threading.Event) -> None:
        self._collect_whole()
        done.set()

    def _look_at_all(self) -> None:
        began = time.thread_time()
        gc.collect()
        if time.thread_time() - began > LONG_S:
            gc.freeze()
            self._left_out = True

    def _collect_whole(self) -> None:
        """What was left out of the last looks as well."""
        if not self._left_out:
            gc.collect()
            return
        gc.unfreeze()  # the libraries too: Python does not tell them apart
        gc.collect()
        gc.freeze()


def _nothing() -> None:
    """While the process ends."""
