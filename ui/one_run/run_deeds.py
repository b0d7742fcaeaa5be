"""What is done with the run that a pane has chosen: go on with it, try it, take it along, show it, begin one like it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QGuiApplication

from droid_tune import words
from droid_tune.errors import UserError
from droid_tune.names import LAST
from droid_tune.paths import RunPaths
from ui.background import Task
from ui.frame.platform_manners import reveal
from ui.one_run.export_sheet import ExportSheet
from ui.one_run.further_steps import FurtherSteps
from ui.one_run.report_window import ReportWindow
from ui.panes.base import Pane
from ui.widgets.notice import NoticeStack
from ui.work.run_reading import foreign_reach_of

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary


class RunDeeds(QObject):
    """Of the run that `chosen` gives (none: nothing is done) and its `checkpoint`; what cannot be is said among `notices`."""

    def __init__(
        self,
        pane: Pane,
        notices: NoticeStack,
        further: FurtherSteps,
        chosen: Callable[[], RunSummary | None],
        checkpoint: Callable[[], str] = lambda: LAST,
    ) -> None:
        super().__init__(pane)
        self._pane, self._notices, self._further = pane, notices, further
        self._chosen, self._checkpoint = chosen, checkpoint
        further.chosen.connect(self.go_on)

    @Slot()
    def resume(self) -> None:
        """Go on to the planned end."""
        self.go_on(None)

    @Slot()
    def ask_further(self) -> None:
        """Ask how many steps more it is to be trained."""
        run = self._chosen()
        if run is not None:
            self._further.ask(run.total_steps)

    @Slot(int)
    def go_on(self, further_steps: int | None) -> None:
        """Go on to the planned end or some steps on, and watch."""
        run = self._chosen()
        if run is None:
            return
        try:
            self._pane.session.resume(run.folder, further_steps, self._checkpoint())
        except UserError as error:
            self._notices.add("error", str(error))
            return
        self._pane.ask("monitor")

    @Slot()
    def run_again(self) -> None:
        """Fill the form with its settings: change what is to differ, and train. A stranger's run is asked about first."""
        run = self._chosen()
        if run is None:
            return
        config, session = RunPaths(run.folder).config, self._pane.session
        try:
            if foreign_reach_of(run.folder):
                session.import_config(config)
            else:
                session.allow_import(config)
        except UserError as error:
            self._notices.add("error", str(error))
            return
        self._pane.ask("setup")

    @Slot()
    def watch(self) -> None:
        """Its curves, in the Monitor."""
        self._show_in("monitor")

    @Slot()
    def show_result(self) -> None:
        """What it came to."""
        self._show_in("result")

    def _show_in(self, pane: str) -> None:
        run = self._chosen()
        if run is not None:
            self._pane.session.show_run(run.folder)
            self._pane.ask(pane)

    @Slot()
    def try_it(self) -> None:
        """Ask its model something."""
        run = self._chosen()
        if run is not None:
            self._pane.ask("playground", run.folder)

    @Slot()
    def export(self) -> None:
        """Take its result along."""
        run = self._chosen()
        if run is not None:
            ExportSheet(self._pane.session, run, self._pane).open()

    @Slot()
    def reveal(self) -> None:
        """Its folder in the Finder."""
        run = self._chosen()
        if run is not None:
            reveal(run.folder)

    @Slot()
    def report(self) -> None:
        """Its page, to be read, saved or sent."""
        run = self._chosen()
        if run is not None:
            ReportWindow(
                self._pane.session, f"Report: {words.literal(run.name)}", [run.folder], self._pane
            ).show()

    @Slot()
    def copy_command(self) -> None:
        """The command that samples from its result in a terminal."""
        run = self._chosen()
        if run is not None:
            work = partial(self._pane.session.engine.sampling_command, run.folder)
            Task(work, self, done=self._copy, failed=self._cannot_copy).start()

    def _copy(self, command: str) -> None:
        QGuiApplication.clipboard().setText(command)
        self._notices.add(
            "good",
            "The command is on the clipboard.",
            "It samples from the result with mlx-lm, in a terminal.",
        )

    def _cannot_copy(self, sentence: str) -> None:
        self._notices.add("error", sentence)
