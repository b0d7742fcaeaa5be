"""Work off the GUI thread: one function in, one signal out.

Python runs one thread at a time, so work in the background takes its time from the GUI thread after all: it begins
after the window's first paint.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QThreadPool, Signal

from droid_tune.errors import UserError
from ui.frame.first_paint import FIRST_PAINT

log = logging.getLogger(__name__)


class Task(QObject):
    """Calls `work` in the thread pool; `done` or `failed` comes back in the thread that made the task.

    A task whose owner went away in the meantime is silent. `failed` carries one sentence.
    """

    done = Signal(object)
    failed = Signal(str)

    def __init__(self, work: Callable[[], Any], parent: QObject) -> None:
        super().__init__(parent)
        self._work = work

    def start(self) -> Task:
        FIRST_PAINT.after(self._begin)
        return self

    def _begin(self) -> None:
        QThreadPool.globalInstance().start(self._run)

    def _run(self) -> None:
        try:
            result = self._work()
        except Exception as error:
            self._fail(error)
        else:
            self._tell(self.done, result)

    def _fail(self, error: Exception) -> None:
        """The pool would swallow an error: it is said, and logged where it is nobody's mistake but ours."""
        if isinstance(error, UserError | OSError):
            self._tell(self.failed, str(error))
        else:
            log.error("background work failed", exc_info=error)
            self._tell(self.failed, f"{type(error).__name__}: {error}")

    def _tell(self, signal: Any, *values: object) -> None:
        with contextlib.suppress(RuntimeError):  # the owner was deleted while we worked
            signal.emit(*values)
