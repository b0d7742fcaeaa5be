"""The thread that trains."""

from __future__ import annotations

import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QObject, QThread, Signal

from droid_tune.errors import UserError
from droid_tune.events import Event
from ui.engine_worker import Emit
from ui.work.taking_turns import taking_turns

log = logging.getLogger(__name__)


class EngineThread(QThread):
    """Runs one training to its end. `finished` always comes; `failed` before it where the engine could not say so itself.

    What the engine tells waits here until it is taken with `next_event`: an engine may be faster than a window draws.
    """

    told = Signal()  # events wait; told again once all of them were taken
    failed = Signal(str)

    def __init__(self, work: Callable[[Emit], object], parent: QObject) -> None:
        super().__init__(parent)
        self.setObjectName("engine")
        self._work = work
        self._events: deque[Event] = deque()
        self._lock = threading.Lock()
        self._announced = False

    def next_event(self) -> Event | None:
        """The oldest that was not taken yet; None where there is none, and `told` comes with the next."""
        with self._lock:
            if self._events:
                return self._events.popleft()
            self._announced = False
            return None

    def _tell(self, event: Event) -> None:
        with self._lock:
            self._events.append(event)
            news, self._announced = not self._announced, True
        if news:
            self.told.emit()

    def run(self) -> None:
        try:
            with taking_turns():
                self._work(self._tell)
        except UserError as error:
            self.failed.emit(str(error))
        except BaseException as error:  # a thread that dies silently would leave the window waiting
            log.error("the engine failed\n%s", traceback.format_exc())
            self.failed.emit(f"The engine met an unexpected error: {type(error).__name__}: {error}")
