"""All runs: what became of each, go on with it, compare curves, take the result along, throw it away and put it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QPushButton, QSplitter, QWidget

from droid_tune import words
from droid_tune.names import LAST
from ui.compare.compare_window import LEAST, MOST, CompareWindow
from ui.one_run.further_steps import FurtherSteps
from ui.one_run.report_window import ReportWindow
from ui.one_run.run_deeds import RunDeeds
from ui.one_run.run_title import RunTitle
from ui.panes.base import COMPARE, FillingPane
from ui.panes.runs.day_watch import DayWatch
from ui.panes.runs.queue_list import QueueList
from ui.panes.runs.run_actions import RunActions
from ui.panes.runs.run_curves import RunCurves
from ui.panes.runs.run_facts import RunFacts
from ui.panes.runs.run_progress import RunNames, progress_of
from ui.panes.runs.run_trash import RunTrash
from ui.panes.runs.run_writing import RunWriting
from ui.panes.runs.runs_table import RunsTable
from ui.session import Session
from ui.widgets.basics import Page, button, column, label, row, scrolling
from ui.widgets.notice import NoticeStack

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary


class RunsPane(FillingPane):
    """A table above, with what waits beside it; below one run, or the curves of several."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            session,
            parent,
            "runs",
            "No runs yet",
            "Every run is kept here with its settings, curves and result. You can stop a run, go on with it "
            "tomorrow, and compare it with others.",
        )
        self._names = RunNames(self)
        self._names.changed.connect(self._runs_changed)
        page = QWidget(self)
        self.add_content(page)
        layout = column(page, spacing=10)
        layout.setContentsMargins(20, 16, 20, 16)
        self._notices = NoticeStack(page, most=2)
        self._trash = RunTrash(session, self._notices, self)
        self._writing = RunWriting(session, self._notices, self)
        layout.addWidget(self._notices)
        split = QSplitter(Qt.Orientation.Vertical, page)
        split.setHandleWidth(12)
        split.setChildrenCollapsible(False)
        layout.addWidget(split, 1)
        split.addWidget(self._make_top(split))
        split.addWidget(scrolling(self._make_detail(split), split))
        split.setStretchFactor(0, 1)
        split.setStretchFactor(1, 2)
        split.setSizes([250, 330])
        session.runs_changed.connect(self._runs_changed)
        session.queue.changed.connect(self._runs_changed)
        session.life_changed.connect(self._life_changed)
        self._days = DayWatch(self)
        self._days.begun.connect(self._show_dates)
        self._show_runs()

    def refresh(self) -> None:
        """The list is read on showing; a live run's step moves with the beat."""
        live = self.session.live
        if self.session.training and live is not None and self.session.live_folder is not None:
            self._show_runs()

    def take_text(self, text: str) -> None:
        """`COMPARE`: the menu asks for the chosen runs beside one another."""
        if text == COMPARE:
            self.compare_chosen()

    def put_back(self) -> bool:
        """Undo: what was thrown away last is put back."""
        return self._trash.put_back_last()

    # --- parts --------------------------------------------------------------------------------------------------

    def _make_top(self, parent: QWidget) -> QWidget:
        """All runs, and beside them those that wait."""
        top = QWidget(parent)
        beside = row(top, spacing=12)
        self._list = RunsTable(self.session, self._names, top)
        self._list.setMinimumHeight(150)
        self._list.chosen_changed.connect(self._chosen_changed)
        self._list.trash_asked.connect(self._throw_away)
        self._list.written_in.connect(self._writing.write)
        beside.addWidget(self._list, 1)
        self._queue = QueueList(self.session, top)
        self._queue.opened.connect(self._show_queued)
        self._queue.report_asked.connect(self._report_night)
        beside.addWidget(self._queue, 0, Qt.AlignmentFlag.AlignTop)
        return top

    def _make_detail(self, parent: QWidget) -> QWidget:
        """What is chosen: head, buttons, facts, curves."""
        detail = Page(parent)
        layout = column(detail, spacing=12)
        layout.setContentsMargins(0, 2, 6, 0)
        self._title = RunTitle(detail)
        layout.addWidget(self._title)
        self.compare = button("Compare…", "primary", parent=detail, icon="compare")
        self.compare.clicked.connect(self.compare_chosen)
        layout.addWidget(self.compare, 0, Qt.AlignmentFlag.AlignLeft)
        self._further = FurtherSteps(detail)
        self._facts = RunFacts(detail)
        self._facts.checkpoint_chosen.connect(self._show_detail)
        self._deeds = RunDeeds(
            self, self._notices, self._further, self._list.single, lambda: self._facts.checkpoint.choice
        )
        self._list.opened.connect(self._deeds.show_result)
        self._actions = self._make_actions(detail)
        layout.addWidget(self._actions)
        # whose checkpoint the actions take was made before them, and stands below
        QWidget.setTabOrder(self._actions.findChildren(QPushButton)[-1], self._facts.checkpoint)
        layout.addWidget(self._further)
        sides = row(spacing=20)
        sides.addWidget(self._facts, 2, Qt.AlignmentFlag.AlignTop)
        self._curves = RunCurves(self.session, self._names, self._notices, detail)
        sides.addWidget(self._curves, 3)
        layout.addLayout(sides, 1)
        hint = "Select several runs (⌘-click or Shift-click) to see their curves together, two to four to compare all of them."
        layout.addWidget(label(hint, "small", parent=detail, wrap=True))
        return detail

    def _make_actions(self, parent: QWidget) -> RunActions:
        deeds = self._deeds
        slots = {
            "resume": deeds.resume,
            "further": deeds.ask_further,
            "result": deeds.show_result,
            "open": deeds.watch,
            "try": deeds.try_it,
            "again": deeds.run_again,
            "export": deeds.export,
            "folder": deeds.reveal,
            "report": deeds.report,
            "copy": deeds.copy_command,
            "rename": self._begin_rename,
            "trash": self._throw_away,
        }
        return RunActions(slots, parent)

    # --- drawing ------------------------------------------------------------------------------------------------

    @Slot()
    def _runs_changed(self) -> None:
        self.when_seen(self._show_runs)

    @Slot()
    def _life_changed(self) -> None:
        self.when_seen(self._show_detail)

    def _show_runs(self) -> None:
        self._names.read(self.session.runs)
        self.show_content(bool(self.session.runs or self.session.queue.runs))
        self._list.show_runs()
        self._show_detail()

    @Slot()
    def _show_dates(self) -> None:
        """Another day: names may hold when a run began, as the table and the facts do."""
        self._show_runs()
        self._list.show_dates()

    @Slot()
    def _show_detail(self) -> None:
        chosen, single = self._list.chosen(), self._list.single()
        self._facts.setVisible(single is not None)
        self._actions.setVisible(single is not None)
        self.compare.setVisible(len(chosen) > 1)
        self.compare.setEnabled(LEAST <= len(chosen) <= MOST)
        if single is not None:
            self._show_single(single)
        else:
            self._title.show_count(len(chosen))
        self._curves.show_runs(chosen)

    def _show_single(self, run: RunSummary) -> None:
        step, state = progress_of(self.session, run)
        self._title.show_run(run, state)
        self._facts.show_run(run, step, self._names.differences.get(run.id, ""))
        goes_back = self._facts.checkpoint.choice != LAST
        self._actions.show_run(run, state, busy=self.session.training, goes_back=goes_back)

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot()
    def _chosen_changed(self) -> None:
        self._curves.look_again()
        self._further.hide()
        self._show_detail()

    @Slot(Path)
    def _show_queued(self, folder: Path) -> None:
        """A run of the queue that has begun, among the runs."""
        self._list.choose({folder.name})

    @Slot(list)
    def _report_night(self, folders: list[Path]) -> None:
        """The morning report: one page for all runs of the queue that have begun."""
        ReportWindow(self.session, "Report of the night", folders, self).show()

    @Slot()
    def compare_chosen(self) -> None:
        """Two to four runs beside one another, in a window of their own."""
        chosen = self._list.chosen()
        if not LEAST <= len(chosen) <= MOST:
            said = f"{words.count(len(chosen), 'run')} {'is' if len(chosen) == 1 else 'are'} chosen."
            self._notices.add(
                "info", said, "Choose two to four in the table (⌘-click or Shift-click) to compare them."
            )
            return
        names = [self._names.name_of(run) for run in chosen]
        CompareWindow([run.folder for run in chosen], names, self).show()

    @Slot()
    def _begin_rename(self) -> None:
        self._list.edit("name")

    @Slot()
    def _throw_away(self) -> None:
        if runs := self._list.chosen():
            self._trash.throw_away(runs)
