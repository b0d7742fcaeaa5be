"""A run goes to the system's Trash: asked about inline first, and never while it trains."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QFile, QObject

from droid_tune import words
from ui.session import Session
from ui.widgets.notice import NoticeStack

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

MOVE = "Move to Trash"


class RunTrash(QObject):
    """Asks and says among `notices`."""

    def __init__(self, session: Session, notices: NoticeStack, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._notices = session, notices

    def ask(self, run: RunSummary) -> None:
        """Whether it is to go, with what goes with it."""
        said = f"Move “{words.literal(run.name)}” to the Trash?"
        asked = self._notices.add("warning", said, "Its checkpoints and result go with it.", actions=(MOVE,))
        asked.chosen.connect(partial(self._answer, run.folder))

    def _answer(self, folder: Path, action: str) -> None:
        self.move(folder)

    def move(self, folder: Path) -> None:
        """Move it, and let the session forget it; or say why it stays."""
        self._notices.clear()
        if self._session.training and folder == self._session.live_folder:
            self._notices.add("error", "This run is training; stop it before it goes to the Trash.")
            return
        if move_to_trash(folder):
            self._session.forget_run(folder)
        else:
            self._notices.add(
                "error", f"{words.literal(str(folder))} could not be moved to the Trash; move it by hand."
            )
        self._session.refresh_runs()


def move_to_trash(folder: Path) -> bool:
    """Whether the system took it. By an object: what the static function returns differs between versions of PySide6."""
    return QFile(str(folder)).moveToTrash()
