"""What the first paint of the window does not need waits for it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QTimer, Signal, Slot
from PySide6.QtWidgets import QWidget

#: a window that is not seen (minimised, another desktop) is not painted
PAINTED_WITHIN_MS = 3000


class Gate:
    """Work that is told to wait is done when the gate opens, in its order; an open gate makes nothing wait."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], object]] | None = None

    def close(self) -> None:
        """From now on work waits."""
        self._waiting = []

    def open(self) -> None:
        """Do what waited, in its order; nothing waits any more."""
        waiting, self._waiting = self._waiting or [], None
        for work in waiting:
            work()

    def after(self, work: Callable[[], object]) -> None:
        """Do this once the gate is open."""
        if self._waiting is None:
            work()
        else:
            self._waiting.append(work)


#: open but for the application's start
FIRST_PAINT = Gate()


class FirstPaint(QObject):
    """Tells once that the window is on the screen (an event filter of the window), or that it stays out of sight."""

    done = Signal()

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._told = False
        window.installEventFilter(self)
        QTimer.singleShot(PAINTED_WITHIN_MS, self._tell)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            watched.removeEventFilter(self)
            QTimer.singleShot(0, self._tell)  # once the paint event was dealt with
        return False

    @Slot()
    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self.done.emit()
