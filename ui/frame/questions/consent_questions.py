"""What is asked about once before it is done: what reaches for more than model and data, and what is not as it was."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from droid_tune import words
from droid_tune.errors import UserError
from droid_tune.paths import RunPaths
from ui.engine_worker import Resumption
from ui.frame.changes_sheet import ChangesSheet
from ui.session import Session
from ui.widgets.notice import NoticeBar, NoticeStack

LOOK_FIRST = "Look at it before you allow it."


class ConsentQuestions(QObject):
    """Hears the session's questions. `imported` tells that settings were allowed and taken."""

    imported = Signal()

    def __init__(self, session: Session, banners: NoticeStack, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._banners, self._window = session, banners, window
        session.doubtful.connect(self._ask_about_changes)
        session.consent_wanted.connect(self._ask_about_run)
        session.import_consent_wanted.connect(self._ask_about_import)

    @Slot(object, list)
    def _ask_about_changes(self, resumption: Resumption, changes: list[str]) -> None:
        saved = bool(RunPaths(resumption.folder).checkpoint_folders())
        sheet = ChangesSheet(self._session.name_of(resumption.folder), changes, self._window, branches=saved)
        accepted = replace(resumption, accepted=True)
        sheet.go_on.connect(partial(self._session.go_on, accepted))
        sheet.branch_off.connect(partial(self._session.branch_off, resumption))
        sheet.open()

    @Slot(object, list)
    def _ask_about_run(self, resumption: Resumption, found: list[str]) -> None:
        """A run from elsewhere that reaches for code, a judge or a key."""
        clauses = words.literal("; ".join(found))
        text = f"“{words.literal(self._session.name_of(resumption.folder))}” was not made here, and it {clauses}."
        bar = self._banners.add("warning", text, LOOK_FIRST, actions=("Allow and Resume",))
        bar.chosen.connect(partial(self._allow_run, bar, resumption))

    @Slot(Path, list)
    def _ask_about_import(self, file: Path, found: list[str]) -> None:
        """Settings from a file that reach for code, a judge or a key."""
        text = f"{words.literal(file.name)} reaches for more than model and data: it {words.literal('; '.join(found))}."
        bar = self._banners.add("warning", text, LOOK_FIRST, actions=("Allow and Import",))
        bar.chosen.connect(partial(self._allow_import, bar, file))

    def _allow_run(self, bar: NoticeBar, resumption: Resumption, action: str) -> None:
        self._banners.remove(bar)
        try:
            from droid_tune.runs.origin.foreign import allow_run

            allow_run(resumption.folder)
            self._session.resume(resumption.folder, resumption.further_steps, resumption.checkpoint)
        except UserError as error:
            self._banners.add("error", str(error))

    def _allow_import(self, bar: NoticeBar, file: Path, action: str) -> None:
        self._banners.remove(bar)
        try:
            self._session.allow_import(file)
        except UserError as error:
            self._banners.add("error", str(error), "The settings stay as they were.")
            return
        self.imported.emit()
