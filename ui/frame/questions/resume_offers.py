"""A run that a crash ended is offered once, inline, as long as it stands there."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from droid_tune import words
from ui.session import Session
from ui.widgets.notice import NoticeBar, NoticeStack

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary


class ResumeOffers(QObject):
    """`accepted` tells the folder of the run to go on with. One that is waved away is never offered again."""

    accepted = Signal(Path)

    def __init__(self, session: Session, banners: NoticeStack, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._banners = session, banners
        self._offered: set[str] = set()  # ids of runs
        self._standing: dict[Path, NoticeBar] = {}
        session.runs_changed.connect(self._offer)
        session.life_changed.connect(self._withdraw)

    @Slot()
    def _offer(self) -> None:
        """The first of those that were not offered yet: one question at a time."""
        self._withdraw()
        for run in self._session.interrupted():
            if run.folder == self._session.live_folder:
                self._offered.add(run.id)  # its end was seen here, and Resume stands beside it
            if run.id not in self._offered and not self._session.training:
                self._ask(run)
                return

    def _ask(self, run: RunSummary) -> None:
        self._offered.add(run.id)
        saved = f"It was saved last at step {run.saved_step:,} of {run.total_steps:,}."
        said = f"“{words.literal(run.name)}” was interrupted."
        bar = self._standing[run.folder] = self._banners.add("warning", said, saved, actions=("Resume",))
        bar.chosen.connect(partial(self._accept, run.folder))
        bar.closed.connect(partial(self._dismiss, run.folder))

    def _accept(self, folder: Path, action: str) -> None:
        self.accepted.emit(folder)

    def _dismiss(self, folder: Path) -> None:
        self._standing.pop(folder, None)
        self._session.settings.dismissed_runs.append(folder.name)

    @Slot()
    def _withdraw(self) -> None:
        """Offers that nobody can take any more: the run goes on, went on, or is gone."""
        open_yet = {run.folder for run in self._session.interrupted()} - {self._session.live_folder}
        for folder in [one for one in self._standing if one not in open_yet]:
            self._banners.remove(self._standing.pop(folder))
