"""What a paused run waits for to be mended stands in the window until the run goes on or stops."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from ui.frame.questions.closing_sheet import STOP_AND_SAVE
from ui.session import Session
from ui.widgets.notice import NoticeBar, NoticeStack

CONTINUE = "Continue"


class HeldNotice(QObject):
    """Stands among the banners as long as the run is held."""

    def __init__(self, session: Session, banners: NoticeStack, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._banners = session, banners
        self._bar: NoticeBar | None = None
        session.life_changed.connect(self._follow)
        self._follow()

    @Slot()
    def _follow(self) -> None:
        live = self._session.live
        held = live.held if live is not None and self._session.training else None
        if self._bar is not None:
            self._banners.remove(self._bar)
            self._bar = None
        if held is not None:
            actions = (CONTINUE, STOP_AND_SAVE)
            self._bar = self._banners.add("error", f"Paused: {held.text}", held.remedy, actions=actions)
            self._bar.chosen.connect(self._answer)

    @Slot(str)
    def _answer(self, action: str) -> None:
        if action == CONTINUE:
            self._session.toggle_pause()
        else:
            self._session.stop()
