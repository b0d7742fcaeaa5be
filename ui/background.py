"""Work off the GUI thread: one function in, one of two callbacks out.

Python runs one thread at a time, so work in the background takes its time from the GUI thread after all: it begins
after the window's first paint. Answers that come together are heard a slice of time in each turn of the window's loop, with
keys, mouse and timers between two: Qt would deliver all of them first, and draw then.

A thread of a pool gives no signal of an object that the window may delete meanwhile: Qt reads the object without asking
Python, and the process ends where it is gone by then (PySide 6.9). It posts a call to the window's thread (`answers`).
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Self

from PySide6.QtCore import QCoreApplication, QObject, QThreadPool, QTimer, Signal, Slot
from shiboken6 import isValid

from droid_tune.errors import Stopped, UserError, missing_package
from ui.frame.first_paint import FIRST_PAINT

log = logging.getLogger(__name__)

#: seconds of one turn of the window's that answers take
SLICE_S = 0.008


class Answers(QObject):
    """What threads have to tell, in its order, as many at once as a slice of time has room for. It lives as long as the
    application does."""

    _posted = Signal(object, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._posted.connect(self._take)
        self._due: deque[tuple[QObject, Callable[[], object]]] = deque()
        self._next = QTimer(self)
        self._next.setSingleShot(True)
        self._next.timeout.connect(self._tell)

    def post(self, whom: QObject, callback: Callable[[], object]) -> None:
        """From any thread: to be called in another turn of the window's, unless `whom` it is for is gone by then."""
        self._posted.emit(whom, callback)

    @Slot(object, object)
    def _take(self, whom: QObject, callback: Callable[[], object]) -> None:
        self._due.append((whom, callback))
        self._next.start()

    @Slot()
    def _tell(self) -> None:
        end = time.monotonic() + SLICE_S
        try:
            while self._due and time.monotonic() < end:
                whom, callback = self._due.popleft()
                if isValid(whom):
                    callback()
        finally:
            if self._due:
                self._next.start()


def answers() -> Answers:
    """Those of the application. To be asked for in the window's thread, before a thread is begun that will tell something."""
    application = still_there()
    return application.findChild(Answers) or Answers(application)


class Task(QObject):
    """Calls `work` in the thread pool, then `done(result)` or `failed(sentence)` in the owner's thread, once.

    Whoever begins a task says what becomes of its failure: there is none that nobody hears of. A task that was dropped,
    that raised `Stopped`, or whose owner went away in the meantime calls neither.
    """

    def __init__(
        self,
        work: Callable[[], Any],
        owner: QObject,
        *,
        done: Callable[[Any], object],
        failed: Callable[[str], object],
    ) -> None:
        super().__init__(owner)
        self._work, self._done, self._failed = work, done, failed
        self._dropped = False
        self._answers = answers()

    def start(self) -> Self:
        """Begin, after the window's first paint."""
        FIRST_PAINT.after(self._begin)
        return self

    def drop(self) -> None:
        """Nobody waits for the outcome any more, whatever it is: neither callback is called from now on."""
        self._dropped = True

    def _begin(self) -> None:
        QThreadPool.globalInstance().start(self._run)

    def _run(self) -> None:
        try:
            result = self._work()
        except Stopped:
            self._post(self.deleteLater)
        except Exception as error:
            self._post(partial(self._answer, partial(self._failed, sentence_of(error))))
        else:
            self._post(partial(self._answer, partial(self._done, result)))

    def _answer(self, callback: Callable[[], object]) -> None:
        self.deleteLater()
        if not self._dropped:
            callback()

    def _post(self, call: Callable[[], object]) -> None:
        self._answers.post(self, call)


def still_there() -> QObject:
    """An owner for the task of something that may go away while it works, and drops the task then."""
    application = QCoreApplication.instance()
    assert application is not None
    return application


def sentence_of(error: Exception) -> str:
    """What the user is told; logged with its traceback where it is nobody's mistake but ours."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, UserError | OSError):
        return str(error)
    log.error("background work failed", exc_info=error)
    return missing_package(error) or f"{type(error).__name__}: {error}"
