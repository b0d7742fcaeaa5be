"""Closing the window: at once while nothing trains, else asked first and done as soon as the run is saved."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QWidget

from ui.frame.questions.closing_sheet import ClosingSheet
from ui.session import Session


class Closing(QObject):
    """Asks once, in a sheet; a window that waits for its run closes with `run_ended`."""

    def __init__(self, session: Session, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._window = session, window
        self._waits = False  # to close as soon as the run is saved
        self._question: ClosingSheet | None = None
        # In a turn of its own: with the run's end, which draws everything anew, it kept the window for 0.19 s.
        self._closes = QTimer(self)
        self._closes.setSingleShot(True)
        self._closes.timeout.connect(self._close)

    def may_close(self) -> bool:
        """Whether nothing trains; else the window closes once the run is saved, which is asked where it does not stop."""
        if not self._session.training:
            return True
        if self._session.stopping:
            self._waits = True
        else:
            self._ask()
        return False

    def run_ended(self) -> None:
        """Nothing trains any more: there is nothing to ask, and the window closes where that was waited for."""
        if self._question is not None:
            self._question.reject()
        if self._waits:
            # Nobody sees the run's end: painting it took another 0.05 s.
            self._window.setUpdatesEnabled(False)
            self._closes.start()

    @Slot()
    def _close(self) -> None:
        self._window.close()
        self._window.setUpdatesEnabled(True)

    @Slot()
    def stop_and_close(self) -> None:
        """Close without a question, as soon as a run that trains is saved."""
        self._stop()
        self._window.close()

    def _stop(self) -> None:
        self._session.queue.leave()
        self._session.stop()

    def _ask(self) -> None:
        """Once, however often the window is closed meanwhile."""
        if self._question is not None:
            return
        asked = self._question = ClosingSheet(self._window)
        asked.stop_and_save.connect(self._stop_when_saved)
        asked.finished.connect(self._forget_question)
        asked.open()

    @Slot()
    def _stop_when_saved(self) -> None:
        self._waits = True
        self._stop()
        if not self._session.training:
            self._window.close()

    @Slot()
    def _forget_question(self) -> None:
        self._question = None
