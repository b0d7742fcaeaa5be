"""Runs that are asked for: begin the one of the Setup pane, let it wait for its turn, go on with one on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from droid_tune.config import RunConfig
from droid_tune.errors import UserError
from ui.frame.pane_stack import PaneStack
from ui.panes.setup.readiness.draft_faults import faults_of
from ui.panes.table import PANES_BY_KEY
from ui.session import Session
from ui.widgets.notice import NoticeBar, NoticeStack


class RunOrders(QObject):
    """What keeps a run from starting is said where it can be mended. `drafted` tells that the form's run was taken."""

    drafted = Signal()

    def __init__(self, session: Session, panes: PaneStack, banners: NoticeStack, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._panes, self._banners = session, panes, banners
        self._fault: NoticeBar | None = None  # of the last attempt

    @Slot()
    def train(self) -> None:
        """Start the run of the Setup pane, or say what keeps it from starting."""
        if not self._session.training and self._handed_over(self._session.train):
            self._panes.turn_to("monitor")

    @Slot()
    def enqueue(self) -> None:
        """Let the run of the Setup pane wait for its turn, or say what keeps it from that."""
        self._handed_over(self._session.enqueue)

    def _handed_over(self, take: Callable[[RunConfig], None]) -> bool:
        """Whether the draft could be taken; else its fault is said, in the form's own words as long as it is there."""
        self._take_back()
        try:
            config = self._session.draft.config()
            if faults := faults_of(self._session.draft):  # of what the settings name on this computer
                raise UserError(next(iter(faults.values())))
            take(config)
        except UserError as error:
            self._panes.turn_to("setup")
            if not self._panes.pane("setup").point_out():
                self._fault = self._banners.add("error", str(error))
            return False
        self.drafted.emit()
        return True

    def _take_back(self) -> None:
        """What was wrong the last time may be mended since."""
        if self._fault is not None:
            self._banners.remove(self._fault)
            self._fault = None

    @Slot()
    def resume_last(self) -> None:
        """Go on with the newest run that can go on, or say that there is none."""
        run = next((run for run in self._session.runs if run.resumable), None)
        if run is not None:
            self.resume(run.folder)
            return
        self._banners.add(
            "info", "There is no run to go on with.", "Stopped and interrupted runs can be resumed."
        )

    @Slot()
    def resume_shown(self) -> None:
        """Go on with the run that is shown, where it can."""
        if self._session.resumable is not None:
            self.resume(self._session.resumable)

    @Slot(Path)
    def resume(self, folder: Path) -> None:
        """Go on with this run and watch it, or say why it cannot."""
        self._take_back()
        try:
            self._session.resume(folder)
        except UserError as error:
            self._fault = self._banners.add("error", str(error))
            return
        if not PANES_BY_KEY[self._panes.current_key()].shows_run:
            self._panes.turn_to("monitor")

    @Slot()
    def watch(self) -> None:
        """Show the Monitor, of the run that trains where one does."""
        if self._session.training:
            self._session.show_live()
        self._panes.turn_to("monitor")
