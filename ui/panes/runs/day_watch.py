"""Tells that another day has begun: what was `today` is `yesterday` then."""

from __future__ import annotations

from datetime import date

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

#: a timer until midnight would stand still with a machine that sleeps
LOOK_MS = 30_000


class DayWatch(QObject):
    """`begun` comes within half a minute of midnight, or of the end of a sleep beyond it."""

    begun = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.day = date.today()
        timer = QTimer(self)
        timer.setTimerType(Qt.TimerType.VeryCoarseTimer)
        timer.setInterval(LOOK_MS)
        timer.timeout.connect(self.look)
        timer.start()

    @Slot()
    def look(self) -> None:
        """Whether it is another day than at the last look."""
        if self.day != date.today():
            self.day = date.today()
            self.begun.emit()
