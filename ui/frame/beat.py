"""The window's beat: what changed is drawn ten times a second at most, however fast the engine tells of it."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QWidget

from ui.frame.pane_stack import PaneStack
from ui.frame.platform_manners import show_badge
from ui.frame.toolbar import RunToolbar
from ui.session import Session

#: how often the visible pane looks whether something changed
BEAT_MS = 100


class Beat(QObject):
    """Refreshes the toolbar, the Dock's badge and the pane that is seen, of a window that is seen."""

    def __init__(self, session: Session, toolbar: RunToolbar, panes: PaneStack, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._toolbar, self._panes, self._window = session, toolbar, panes, window
        self._seen: tuple[object, ...] = ()
        self._timer = QTimer(self)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._look)

    def start(self) -> None:
        """Begin to look."""
        self._timer.start()

    def stop(self) -> None:
        """Look no more: the window closes."""
        self._timer.stop()

    def forget(self) -> None:
        """Draw at the next beat, whatever was drawn last."""
        self._seen = ()

    @Slot()
    def _look(self) -> None:
        mark = self._mark()
        if mark == self._seen:
            return
        self._seen = mark
        self._toolbar.show_activity()
        session = self._session
        if session.live is not None and session.training:
            show_badge(round(100 * session.live.fraction))
        current = self._panes.current_pane()
        if current is not None and self._window.isVisible() and not self._window.isMinimized():
            current.refresh()

    def _mark(self) -> tuple[object, ...]:
        """Differs from the last one where there is something to draw."""
        session = self._session
        live = session.live.revision if session.live is not None else -1
        return (id(session.shown), session.shown.revision, live, session.stopping, session.training)
