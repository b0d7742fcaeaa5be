"""Whether the text in the editor can be a reward, asked as soon as the keyboard rests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from droid_tune.trial_report import LookedAt
from ui.background import Task, still_there
from ui.engine_worker import EngineDoor

#: after the last key, before the text is loaded in a child
LOOK_AFTER_MS = 400


class TextLook(QObject):
    """`found` tells a `LookedAt`. `text` gives (path, text, function) at the time of asking; the newest question counts."""

    found = Signal(object)

    def __init__(self, engine: EngineDoor, text: Callable[[], tuple[str, str, str]], parent: QObject) -> None:
        super().__init__(parent)
        self._engine, self._text = engine, text
        self._looking: Task | None = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(LOOK_AFTER_MS)
        self._later.timeout.connect(self.look)

    @Slot()
    def look_soon(self) -> None:
        """Once nothing was typed for a moment. What was asked before is not told any more."""
        self.stop()
        self._later.start()

    @Slot()
    def look(self) -> None:
        """Now."""
        self.stop()
        work = partial(self._engine.look_at_reward, *self._text())
        self._looking = Task(work, still_there(), done=self.found.emit, failed=self._say).start()

    def stop(self) -> None:
        """What was asked is not told any more."""
        self._later.stop()
        if self._looking is not None:
            self._looking.drop()
            self._looking = None

    def _say(self, sentence: str) -> None:
        self.found.emit(LookedAt(sentence, False))
