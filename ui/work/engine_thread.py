"""The thread that trains."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from PySide6.QtCore import QObject, QThread, Signal

from droid_tune.errors import UserError
from ui.engine_worker import Emit
from ui.work.taking_turns import taking_turns

log = logging.getLogger(__name__)


class EngineThread(QThread):
    """Runs one training to its end. `finished` always comes; `failed` before it where the engine could not say so itself."""

    told = Signal(object)  # an Event
    failed = Signal(str)

    def __init__(self, work: Callable[[Emit], object], parent: QObject) -> None:
        super().__init__(parent)
        self.setObjectName("engine")
        self._work = work

    def run(self) -> None:
        try:
            with taking_turns():
                self._work(self.told.emit)
        except UserError as error:
            self.failed.emit(str(error))
        except BaseException as error:  # a thread that dies silently would leave the window waiting
            log.error("the engine failed\n%s", traceback.format_exc())
            self.failed.emit(f"The engine met an unexpected error: {type(error).__name__}: {error}")
