"""What a chart says to a screen reader: at once, and then no more often than anybody can hear it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Slot

#: while a run trains its curves change several times a second, and each time the sentences cost a fifth of the redraw
EVERY_MS = 1000


class SaidSummary(QObject):
    """`say` is called at the first change, and once more behind those that follow it closely."""

    def __init__(self, say: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self._say, self._unsaid = say, False
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(EVERY_MS)
        self._pause.timeout.connect(self._catch_up)

    def change(self) -> None:
        """There is something else to say."""
        self._unsaid = True
        if not self._pause.isActive():
            self._catch_up()

    @Slot()
    def _catch_up(self) -> None:
        if self._unsaid:
            self._unsaid = False
            self._say()
            self._pause.start()
