"""A run that is watched to its end: the window turns from its curves to what it came to."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from droid_tune.runs.state import RunState
from ui.frame.pane_stack import PaneStack
from ui.session import Session


class ResultTurn(QObject):
    """Only from the Monitor, of a run that is complete, and not while a queue goes on with the next."""

    def __init__(self, session: Session, panes: PaneStack, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._panes = session, panes
        session.engine_run.ended.connect(self._ended)

    @Slot(object, bool)
    def _ended(self, state: RunState | None, asked: bool) -> None:
        session = self._session
        watched = state is not None and state is session.shown and self._panes.current_key() == "monitor"
        if watched and session.shown.life == "completed" and session.queue.mode == "off":
            self._panes.turn_to("result")
