"""Asks, off the GUI thread, which tools the chosen environment offers, or what is wrong with it."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from droid_tune.config import RunConfig
from droid_tune.config.asking.acting_key import acting_key
from ui.background import Task
from ui.engine_worker import EngineDoor

#: without another question
ASK_AFTER_MS = 600
#: where a sentence says that it is from: its reader is there
PLACE = "environment: "


class ToolsAsker(QObject):
    """`told` the tools in words, `failed` why there are none; one question at a time, the newest is answered."""

    told = Signal(list)  # list[str]
    failed = Signal(str)

    def __init__(self, engine: EngineDoor, parent: QObject) -> None:
        super().__init__(parent)
        self._engine = engine
        self._config: RunConfig | None = None
        self._asked = ""
        self._task: Task | None = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(ASK_AFTER_MS)
        self._later.timeout.connect(self._look)

    @property
    def asking(self) -> bool:
        """Whether an answer is still to come."""
        return self._later.isActive() or self._task is not None

    def ask(self, config: RunConfig) -> None:
        """Told a moment after the last question; what was asked before is not asked again."""
        key = acting_key(config)
        if not key:
            self.forget()
            return
        if key == self._asked:
            return
        self.forget()
        self._asked, self._config = key, config
        self._later.start()

    def forget(self) -> None:
        """Nothing is known any more."""
        self._later.stop()
        self._asked = ""
        if self._task is not None:
            self._task.drop()
            self._task = None

    @Slot()
    def _look(self) -> None:
        if self._config is not None:
            self._task = Task(
                partial(self._engine.tools, self._config),
                self,
                done=self._answer,
                failed=self._refuse,
            ).start()

    def _answer(self, tools: list[str]) -> None:
        self._task = None
        self.told.emit(tools)

    def _refuse(self, sentence: str) -> None:
        self._task = None
        self.failed.emit(sentence.removeprefix(PLACE))
