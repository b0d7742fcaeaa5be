"""Says to VoiceOver and other screen readers what happens to a run: it begins, is paused, gets better, ends."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QTimer, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QWidget

from droid_tune import words
from ui.session import Session

LOOK_EVERY_MS = 1000
#: how an end is said
ENDS = {
    "completed": "Training is done",
    "stopped": "Training was stopped",
    "failed": "Training failed",
    "interrupted": "Training was interrupted",
}

Speak = Callable[[str], object]


class Spoken(QWidget):
    """A window's voice; it is never seen."""

    def __init__(self, session: Session, parent: QWidget, speak: Speak | None = None) -> None:
        super().__init__(parent)
        self.hide()
        self._session, self._speak = session, speak or self._announce
        self._life, self._best = "", None if session.live is None else session.live.best
        session.life_changed.connect(self.follow)
        timer = QTimer(self)
        timer.setInterval(LOOK_EVERY_MS)
        timer.timeout.connect(self.follow)
        timer.start()

    @Slot()
    def follow(self) -> None:
        """Say what is new since the last look."""
        session = self._session
        live = session.live
        if live is None:
            return
        life = "stopping" if session.stopping else live.life if session.training or live.ended else ""
        if life != self._life:
            self._life = life
            said = self._sentence(life)
            if said:
                self._speak(said)
        if live.best != self._best:
            self._best = live.best
            if live.best is not None and session.training:
                self._speak(f"Best so far: {live.best}.")

    def _sentence(self, life: str) -> str:
        live = self._session.live
        if live is None:
            return ""
        if life in ENDS:
            return f"{ENDS[life]} after {words.count(live.step, 'step')}."
        return {
            "running": f"Training goes on at step {live.step:,}." if live.step else "Training begins.",
            "paused": f"Training is paused at step {live.step:,}.",
            "stopping": "The run is being saved.",
        }.get(life, "")

    def _announce(self, sentence: str) -> None:
        window = self.window()
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(window, sentence))
