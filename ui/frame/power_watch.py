"""Holds a run while the battery is low, in low-power mode and under thermal pressure, and lets it go on afterwards."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Slot

from droid_tune.machine.power import PowerReading, PowerRule, read_power
from ui.background import Task
from ui.session import Session

LOOK_EVERY_MS = 30_000

Read = Callable[[], PowerReading]


class PowerWatch(QObject):
    """Looks while something trains. Whoever continues a held run means it: it is not held again for the same reason."""

    def __init__(self, session: Session, parent: QObject, read: Read | None = None) -> None:
        super().__init__(parent)
        self._session, self._read = session, read or read_power
        self._held_for = ""
        self._waved = False  # the present reason was overruled
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_EVERY_MS)
        self._timer.timeout.connect(self.look)
        session.life_changed.connect(self._follow)

    @property
    def rule(self) -> PowerRule:
        """As the settings have it."""
        settings = self._session.settings
        return PowerRule(settings.pause_below / 100, settings.pause_in_low_power, settings.pause_when_hot)

    @Slot()
    def look(self) -> None:
        """Read in the background, then judge."""
        Task(self._read, self, done=self.judge, failed=self._cannot_read).start()

    def judge(self, reading: PowerReading) -> None:
        """Hold the run or let it go on."""
        session = self._session
        if not session.training or session.stopping:
            return
        why = self.rule.why_hold(reading, holding=bool(self._held_for))
        if not why:
            self._waved = False
            if self._held_for and session.paused:
                self._held_for = ""
                session.toggle_pause()
                session.told.emit("info", "Training goes on: power and heat allow it again.", "")
        elif not session.paused and not self._waved:
            self._held_for = why
            session.toggle_pause()
            session.told.emit(
                "warning",
                f"Training is paused: {why}.",
                "It goes on by itself when that is over; Continue goes on now. Settings > Battery and heat says when.",
            )

    @Slot()
    def _follow(self) -> None:
        session = self._session
        if not session.training:
            self._timer.stop()
            self._held_for, self._waved = "", False
        elif not self._timer.isActive():
            self._timer.start()
            self.look()
        elif self._held_for and not session.paused:
            self._held_for, self._waved = "", True

    def _cannot_read(self, sentence: str) -> None:
        """A computer that does not say how it is holds nothing."""
        self._timer.stop()
