"""What a person writes on a run, kept in its folder: another name, tags, a note."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Slot

from droid_tune.errors import UserError
from droid_tune.runs.folder import RunSummary
from droid_tune.runs.run_annotations import read_annotations, tags_of, write_annotations
from ui.session import Session
from ui.widgets.notice import NoticeStack


class RunWriting(QObject):
    """What cannot be kept is said among `notices`; the table then shows what was there before."""

    def __init__(self, session: Session, notices: NoticeStack, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._notices = session, notices

    @Slot(str, str, str)
    def write(self, run_id: str, key: str, text: str) -> None:
        """Keep the text of a cell: `name`, `tags` or `note`."""
        run = next((one for one in self._session.runs if one.id == run_id), None)
        if run is None:
            return
        try:
            self._keep(run, key, text)
        except UserError as error:
            self._notices.add("error", str(error))
            return
        self._session.refresh_runs()

    def _keep(self, run: RunSummary, key: str, text: str) -> None:
        if key == "name":
            self._session.rename_run(run.folder, text)
            return
        known = read_annotations(run.folder)
        written = replace(known, tags=tags_of(text)) if key == "tags" else replace(known, note=text)
        write_annotations(run.folder, written)
