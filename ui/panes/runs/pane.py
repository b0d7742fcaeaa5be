"""All runs: what became of each, go on with it, compare curves, take the result along, throw it away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QSplitter, QWidget

from droid_tune import words
from droid_tune.errors import UserError
from droid_tune.names import LAST
from ui.panes.base import FillingPane
from ui.panes.runs.export_sheet import ExportSheet
from ui.panes.runs.further_steps import FurtherSteps
from ui.panes.runs.queue_list import QueueList
from ui.panes.runs.report_window import ReportWindow
from ui.panes.runs.run_actions import RunActions
from ui.panes.runs.run_curves import RunCurves
from ui.panes.runs.run_facts import RunFacts
from ui.panes.runs.run_progress import RunNames, progress_of
from ui.panes.runs.run_title import RunTitle
from ui.panes.runs.run_trash import RunTrash
from ui.panes.runs.runs_list import RunsList
from ui.panes.runs.sampling_command import generate_command
from ui.session import Session
from ui.widgets.basics import column, label, scrolling
from ui.widgets.notice import NoticeStack

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary


class RunsPane(FillingPane):
    """A list on the left; on the right one run, or the curves of several."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            session,
            parent,
            "runs",
            "No runs yet",
            "Every run is kept here with its settings, curves and result. You can stop a run, go on with it "
            "tomorrow, and compare it with others.",
        )
        self._names = RunNames()
        page = QWidget(self)
        self.add_content(page)
        layout = column(page, spacing=10)
        layout.setContentsMargins(20, 16, 20, 16)
        self._notices = NoticeStack(page, most=2)
        self._trash = RunTrash(session, self._notices, self)
        layout.addWidget(self._notices)
        split = QSplitter(page)
        split.setHandleWidth(12)
        split.setChildrenCollapsible(False)
        layout.addWidget(split, 1)
        split.addWidget(self._make_side(split))
        split.addWidget(scrolling(self._make_detail(split), split))
        split.setStretchFactor(1, 1)
        split.setSizes([260, 640])
        session.runs_changed.connect(self._name_runs)
        session.runs_changed.connect(self._show_runs)
        session.queue.changed.connect(self._show_runs)
        session.life_changed.connect(self._show_detail)
        self._name_runs()
        self._show_runs()

    def refresh(self) -> None:
        """The list is read on showing; a live run's step moves with the beat."""
        live = self.session.live
        if self.session.training and live is not None and self.session.live_folder is not None:
            self._show_runs()

    # --- parts --------------------------------------------------------------------------------------------------

    def _make_side(self, parent: QWidget) -> QWidget:
        """All runs, and below them those that wait."""
        side = QWidget(parent)
        below = column(side, spacing=10)
        self._list = RunsList(self.session, self._names, side)
        self._list.chosen_changed.connect(self._chosen_changed)
        below.addWidget(self._list, 1)
        self._queue = QueueList(self.session, side)
        self._queue.opened.connect(self._show_queued)
        self._queue.report_asked.connect(self._report_night)
        below.addWidget(self._queue)
        return side

    def _make_detail(self, parent: QWidget) -> QWidget:
        """What is chosen: head, buttons, facts, curves."""
        detail = QWidget(parent)
        layout = column(detail, spacing=12)
        layout.setContentsMargins(0, 2, 6, 0)
        self._title = RunTitle(detail)
        self._title.renamed.connect(self._rename)
        layout.addWidget(self._title)
        self._actions = self._make_actions(detail)
        layout.addWidget(self._actions)
        self._further = FurtherSteps(detail)
        self._further.chosen.connect(self._go_on)
        layout.addWidget(self._further)
        self._facts = RunFacts(detail)
        self._facts.checkpoint_chosen.connect(self._show_detail)
        layout.addWidget(self._facts)
        self._curves = RunCurves(self.session, self._names, self._notices, detail)
        layout.addWidget(self._curves, 1)
        hint = "Select several runs in the list (⌘-click or Shift-click) to see their curves together."
        layout.addWidget(label(hint, "small", parent=detail, wrap=True))
        return detail

    def _make_actions(self, parent: QWidget) -> RunActions:
        slots = {
            "resume": self._resume,
            "further": self._ask_further,
            "open": self._open,
            "try": self._try,
            "export": self._export,
            "folder": self._show_folder,
            "report": self._report,
            "copy": self._copy,
            "rename": self._begin_rename,
            "trash": self._ask_trash,
        }
        return RunActions(slots, parent)

    # --- drawing ------------------------------------------------------------------------------------------------

    @Slot()
    def _show_runs(self) -> None:
        self.show_content(bool(self.session.runs or self.session.queue.runs))
        self._list.show_runs()
        self._show_detail()

    @Slot()
    def _name_runs(self) -> None:
        self._names.read(self.session.runs)

    @Slot()
    def _show_detail(self) -> None:
        chosen, single = self._list.chosen(), self._list.single()
        self._facts.setVisible(single is not None)
        self._actions.setVisible(single is not None)
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
        self._title.end_rename()
        self._further.hide()
        self._show_detail()

    @Slot()
    def _resume(self) -> None:
        self._go_on(None)

    @Slot()
    def _ask_further(self) -> None:
        run = self._list.single()
        if run is not None:
            self._further.ask(run.total_steps)

    @Slot(int)
    def _go_on(self, further_steps: int | None) -> None:
        run = self._list.single()
        if run is None:
            return
        try:
            self.session.resume(run.folder, further_steps, self._facts.checkpoint.choice)
        except UserError as error:
            self._notices.add("error", str(error))
            return
        self.ask("monitor")

    @Slot(Path)
    def _show_queued(self, folder: Path) -> None:
        """A run of the queue that has begun, among the runs."""
        self._list.choose({folder.name})

    @Slot()
    def _report(self) -> None:
        run = self._list.single()
        if run is not None:
            ReportWindow(self.session, f"Report: {words.literal(run.name)}", [run.folder], self).show()

    @Slot(list)
    def _report_night(self, folders: list[Path]) -> None:
        """The morning report: one page for all runs of the queue that have begun."""
        ReportWindow(self.session, "Report of the night", folders, self).show()

    @Slot()
    def _open(self) -> None:
        run = self._list.single()
        if run is not None:
            self.session.show_run(run.folder)
            self.ask("monitor")

    @Slot()
    def _try(self) -> None:
        run = self._list.single()
        if run is not None:
            self.ask("playground", run.folder)

    @Slot()
    def _export(self) -> None:
        run = self._list.single()
        if run is not None:
            ExportSheet(self.session, run, self).open()

    @Slot()
    def _show_folder(self) -> None:
        run = self._list.single()
        if run is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(run.folder)))

    @Slot()
    def _copy(self) -> None:
        run = self._list.single()
        if run is not None:
            QGuiApplication.clipboard().setText(generate_command(run.model, run.folder))
            self._notices.add(
                "good",
                "The command is on the clipboard.",
                "It samples from the result with mlx-lm, in a terminal.",
            )

    @Slot()
    def _begin_rename(self) -> None:
        run = self._list.single()
        if run is not None:
            self._title.begin_rename(run.name)

    @Slot(str)
    def _rename(self, name: str) -> None:
        run = self._list.single()
        if run is not None:
            try:
                self.session.rename_run(run.folder, name)
            except UserError as error:
                self._notices.add("error", str(error))

    @Slot()
    def _ask_trash(self) -> None:
        run = self._list.single()
        if run is not None:
            self._trash.ask(run)
