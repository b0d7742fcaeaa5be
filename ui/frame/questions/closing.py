"""Closing the window: at once while nothing trains, else asked first and done as soon as the run is saved."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QWidget

from ui.session import Session
from ui.widgets.notice import NoticeBar, NoticeStack

STOP_AND_SAVE, KEEP_TRAINING = "Stop and Save", "Keep Training"


class Closing(QObject):
    """Asks once, inline; a window that waits for its run closes with `run_ended`."""

    def __init__(self, session: Session, banners: NoticeStack, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._banners, self._window = session, banners, window
        self._waits = False  # to close as soon as the run is saved
        self._question: NoticeBar | None = None

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
        """Nothing trains any more: close where that was waited for."""
        if self._waits:
            self._window.close()

    @Slot()
    def stop_and_close(self) -> None:
        """Close without a question, as soon as a run that trains is saved."""
        self._stop()
        self._window.close()

    def _stop(self) -> None:
        self._session.queue.leave()
        self._session.stop()

    def _ask(self) -> None:
        if self._question is not None:
            return
        asked = self._banners.add(
            "warning",
            "A run is training.",
            "Stop and save: the window closes as soon as the run is saved, and it can go on later.",
            actions=(STOP_AND_SAVE, KEEP_TRAINING),
        )
        self._question = asked
        asked.chosen.connect(self._answer)
        asked.closed.connect(self._forget_question)

    @Slot(str)
    def _answer(self, action: str) -> None:
        self._forget_question()
        self._banners.clear()
        if action == STOP_AND_SAVE:
            self._waits = True
            self._stop()
            if not self._session.training:
                self._window.close()

    @Slot()
    def _forget_question(self) -> None:
        self._question = None
