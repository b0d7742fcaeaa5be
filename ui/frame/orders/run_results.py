"""What a run left on disk: exported, shown in the Finder."""

from __future__ import annotations

from PySide6.QtCore import QObject, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QWidget

from droid_tune.paths import runs_dir
from ui.frame.pane_stack import PaneStack
from ui.frame.platform_manners import reveal
from ui.panes.base import COMPARE, PaneRequest
from ui.session import Session
from ui.widgets.notice import NoticeStack


class RunResults(QObject):
    """Of the run that is shown; what there is none of is said."""

    def __init__(self, session: Session, panes: PaneStack, banners: NoticeStack, window: QWidget) -> None:
        super().__init__(window)
        self._panes = panes
        self._session, self._banners, self._window = session, banners, window

    @Slot()
    def export(self) -> None:
        """Of the run that is shown, else of the newest that has something to export."""
        able = [run for run in self._session.runs if run.saved_step or run.state == "completed"]
        shown = [run for run in able if run.folder == self._session.shown_folder]
        if not able or self._session.training:
            why = "A run is training; stop it first." if able else "A run has one once it has saved."
            self._banners.add("info", "There is no result to export now.", why)
            return
        from ui.one_run.export_sheet import ExportSheet  # reads what the first paint does not wait for

        ExportSheet(self._session, (shown or able)[0], self._window).open()

    @Slot()
    def compare(self) -> None:
        """The runs that are chosen in Runs, beside one another."""
        self._panes.fulfil(PaneRequest("runs", text=COMPARE))

    @Slot()
    def reveal_run(self) -> None:
        """Show the folder of the run that is shown in the Finder."""
        folder = self._session.shown_folder
        if folder is None or not folder.exists():
            why = "No run is shown, so there is none to reveal."
            self._banners.add("info", why, "Choose one in Runs.")
        else:
            reveal(folder)

    @Slot()
    def show_runs_folder(self) -> None:
        """Open the folder that holds all runs; it is made where it does not exist yet."""
        runs_dir().mkdir(parents=True, exist_ok=True)
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(runs_dir())))
