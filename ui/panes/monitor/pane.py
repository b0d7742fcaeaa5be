"""The run as it goes: where it is, how long it will take, the curves, and what to do when something looks wrong."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from droid_tune.config import build
from droid_tune.errors import UserError
from droid_tune.runs.state import RunState
from droid_tune.runs.steering import Wish
from ui.background import Task
from ui.panes.base import FillingPane
from ui.panes.monitor.chart_board import ChartBoard
from ui.panes.monitor.chart_specs import sections_of
from ui.panes.monitor.live_memory import LiveMemory
from ui.panes.monitor.metric_table import MetricTable
from ui.panes.monitor.notice_box import NoticeBox
from ui.panes.monitor.run_header import RunHeader
from ui.panes.monitor.steer_sheet import SteerSheet
from ui.panes.monitor.view_bar import ViewBar
from ui.session import Session
from ui.widgets.basics import Page, column, scrolling
from ui.work.run_reading import read_run

#: of the height that is left over, the charts take all but this part of it
CHARTS_FIRST = 100


class MonitorPane(FillingPane):
    """Draws `session.shown`."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            session,
            parent,
            "monitor",
            "Nothing is training yet",
            "Choose data, a model and a method, then press Train. The curves of the reward, the loss and the "
            "length of the answers appear here as the run goes.",
        )
        self._ghost: RunState | None = None
        self._ghost_folder: Path | None = None
        self._page = Page(self)
        self.add_content(scrolling(self._page, self))
        layout = column(self._page, spacing=12, margins=20)
        self._header = RunHeader(self._page)
        self._notices = NoticeBox(self._page)
        self._bar = ViewBar(session.settings.smoothing, self._page)
        self.board = ChartBoard(session.cursor, self._page)
        self._table = MetricTable(self._page)
        self._table.hide()
        self._memory = LiveMemory(self._page)
        for part in (self._header, self._notices, self._bar, self.board, self._table, self._memory):
            layout.addWidget(part, CHARTS_FIRST if part is self.board else 0)
        layout.addStretch(1)
        self._bar.changed.connect(self._view_changed)
        self._bar.ghost_wanted.connect(self._want_ghost)
        self._bar.steering_wanted.connect(self._open_steering)
        self._bar.range_dropped.connect(self._drop_range)
        session.cursor.range_chosen.connect(self._bar.show_range)
        session.cursor.chosen.connect(self._turned)
        session.shown_changed.connect(self._another_run)

    def prepare(self) -> bool:
        """The charts that the next run begins with, one by one."""
        return self.session.shown.life == "empty" and self.board.prepare(self.session.draft.method)

    def refresh(self) -> None:
        """Draw what the shown run told since the last time."""
        state = self.session.shown
        self.show_content(state.life != "empty")
        if state.life == "empty":
            return
        live = state is self.session.live
        self._header.show_state(state, stopping=self.session.stopping and live)
        self._notices.show_notices(state.notices)
        self._memory.show_state(state)
        self._bar.allow_sections(list(sections_of(state.method)))
        self._bar.offer_ghosts(self._other_runs())
        self._bar.steer.setVisible(live and state.running)
        if self._bar.view.key == "table":
            self._table.show_series(state.series)
        else:
            smoothing = float(self._bar.smoothing.key)
            self.board.show_state(state, self._bar.section, smoothing, self._bar.across, self._ghost)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.board.arrange(self.width())

    def _other_runs(self) -> list[tuple[str, Path]]:
        return [
            (run.name, run.folder) for run in self.session.runs if run.folder != self.session.shown_folder
        ]

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot()
    def _another_run(self) -> None:
        self._notices.forget()
        if self.isVisible():
            self.refresh()

    @Slot()
    def _view_changed(self) -> None:
        self.session.settings.smoothing = float(self._bar.smoothing.key)
        charts = self._bar.view.key == "charts"
        self.board.setVisible(charts)
        self._table.setVisible(not charts)
        self._bar.show_choices(of_charts=charts)
        self.refresh()

    @Slot(object)
    def _turned(self, step: int | None) -> None:
        self._bar.show_pointed(step)
        if self.isVisible():
            self.refresh()

    @Slot()
    def _drop_range(self) -> None:
        self.session.cursor.choose_range(None)

    @Slot(object)
    def _want_ghost(self, folder: Path | None) -> None:
        """Another run's curves beside this one's; it is read in the background."""
        self._ghost_folder = folder
        if folder is None:
            self._ghost = None
            self.refresh()
            return
        done = partial(self._show_ghost, folder)
        Task(partial(read_run, folder), self, done=done, failed=self._say_unreadable).start()

    def _show_ghost(self, folder: Path, state: RunState) -> None:
        if folder == self._ghost_folder:
            self._ghost = state
            self.refresh()

    def _say_unreadable(self, sentence: str) -> None:
        self.session.told.emit("error", sentence, "")

    @Slot()
    def _open_steering(self) -> None:
        try:
            sheet = SteerSheet(build(self.session.shown.config), self)
        except UserError as error:
            self._say_unreadable(str(error))
            return
        sheet.wished.connect(self._steer)
        sheet.finished.connect(sheet.deleteLater)
        sheet.open()

    @Slot(object)
    def _steer(self, one: Wish) -> None:
        self.session.steer(one)
