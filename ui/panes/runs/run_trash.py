"""Runs go to the system's Trash at once, and can be put back as long as the window is open; never one that trains."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QFile, QObject

from droid_tune import words
from droid_tune.errors import UserError
from ui.session import Session
from ui.widgets.notice import NoticeStack

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

PUT_BACK = "Put Back"


@dataclass(frozen=True)
class TrashedRun:
    """Where it was, and where it is in the Trash."""

    folder: Path
    now: Path


class RunTrash(QObject):
    """Says what became of it among `notices`."""

    def __init__(self, session: Session, notices: NoticeStack, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._notices = session, notices
        self._thrown: list[list[TrashedRun]] = []  # what was thrown away together, the newest last

    def throw_away(self, runs: Sequence[RunSummary]) -> None:
        """Move them, and let the session forget them; or say why one stays."""
        self._notices.clear()
        thrown: list[TrashedRun] = []
        for run in runs:
            now = self._moved(run)
            if now is not None:
                thrown.append(TrashedRun(run.folder, now))
        if thrown:
            self._thrown.append(thrown)
            what = f"“{words.literal(runs[0].name)}”" if len(runs) == 1 else words.count(len(thrown), "run")
            said = self._notices.add(
                "info",
                f"Moved {what} to the Trash.",
                "Checkpoints and results went along.",
                actions=(PUT_BACK,),
            )
            said.chosen.connect(partial(self._put_back, thrown))
        self._session.refresh_runs()

    def _moved(self, run: RunSummary) -> Path | None:
        """Where it is in the Trash; None where it stays, which is said."""
        if run.state == "running" or (self._session.training and run.folder == self._session.live_folder):
            said = f"“{words.literal(run.name)}” is training; stop it before it goes to the Trash."
            self._notices.add("error", said)
            return None
        now = move_to_trash(run.folder)
        if now is None:
            self._notices.add(
                "error", f"{words.literal(str(run.folder))} could not be moved to the Trash; move it by hand."
            )
            return None
        self._session.forget_run(run.folder)
        return now

    def put_back_last(self) -> bool:
        """What was thrown away last; False where there is nothing to put back."""
        if not self._thrown:
            return False
        self._put_back(self._thrown[-1])
        return True

    def _put_back(self, thrown: list[TrashedRun], _action: str = "") -> None:
        self._notices.clear()
        if thrown in self._thrown:
            self._thrown.remove(thrown)
        for one in thrown:
            try:
                put_back(one)
            except UserError as error:
                self._notices.add("error", str(error))
        self._session.refresh_runs()


def move_to_trash(folder: Path) -> Path | None:
    """Where the system put it; None where it did not take it.

    By an object: what the static function returns differs between versions of PySide6, and it alone knows the new place.
    """
    file = QFile(str(folder))
    return Path(file.fileName()) if file.moveToTrash() else None


def put_back(one: TrashedRun) -> None:
    """Move a run out of the Trash to where it was. Raises UserError where it is gone, or its place is taken."""
    if one.folder.exists():
        raise UserError(f"{one.folder} exists again", remedy=f"move {one.now} by hand")
    try:
        shutil.move(one.now, one.folder)
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"{one.now} could not be put back ({why})", remedy="look into the Trash") from None
    if one.now.parent.name == "files":  # a desktop's note on where it came from would stay behind
        with suppress(OSError):
            (one.now.parent.parent / "info" / f"{one.now.name}.trashinfo").unlink()
