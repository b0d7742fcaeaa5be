"""That a run waits in the queue is said until the queue begins: then it is not true any more."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from ui.queue_desk import ADDED
from ui.session import Session
from ui.widgets.notice import NoticeStack


class QueueNotice(QObject):
    """Takes the banner away as the queue starts."""

    def __init__(self, session: Session, banners: NoticeStack, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._banners = session, banners
        session.queue.changed.connect(self._follow)
        session.life_changed.connect(self._follow)

    @Slot()
    def _follow(self) -> None:
        if self._session.queue.training is None:
            return
        for bar in self._banners.bars():
            if bar.text == ADDED:
                self._banners.remove(bar)
