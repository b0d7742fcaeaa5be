"""The thread of a signal check: a few prompts sampled with the starting model."""

from __future__ import annotations

import logging
import threading
import traceback

from PySide6.QtCore import QObject, QThread, Signal

from droid_tune.config import RunConfig
from droid_tune.errors import Stopped, UserError
from droid_tune.machine.device_faults import told
from ui.engine_worker import EngineDoor, Steering
from ui.frame.lingering import LINGERING
from ui.work.taking_turns import taking_turns

log = logging.getLogger(__name__)


class CheckThread(QThread):
    """Runs one signal check: `done` with its report, or `failed` with a sentence; a stop ends it in silence.

    Nobody waits for it: `let_go` asks it to end, and it goes when it has.
    """

    progressed = Signal(object)  # Phase
    done = Signal(object)  # CheckReport
    failed = Signal(str)

    def __init__(
        self, engine: EngineDoor, config: RunConfig, prompts: int, control: Steering, parent: QObject
    ) -> None:
        super().__init__(parent)
        self.setObjectName("check")
        self._engine, self._config, self._prompts, self._control = engine, config, prompts, control
        self._closing = threading.Event()

    def let_go(self) -> None:
        """Whoever asked goes away: the thread ends within a token or a slice, and is deleted then."""
        self._closing.set()
        self._control.request_stop()
        LINGERING.keep(self)

    def run(self) -> None:
        with taking_turns(self._closing.is_set) as taken:
            if taken:
                self._check()

    def _check(self) -> None:
        try:
            self.done.emit(
                self._engine.check(self._config, self._prompts, self._control, self.progressed.emit)
            )
        except Stopped:
            pass
        except UserError as error:
            self.failed.emit(str(error))
        except Exception as error:
            log.error("the check failed\n%s", traceback.format_exc())
            self.failed.emit(told(error) or f"The check failed: {type(error).__name__}: {error}")
        finally:
            self._engine.release()
