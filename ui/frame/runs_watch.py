"""Runs that a terminal, the queue or another program makes are in the list without a restart."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QFileSystemWatcher, QObject, QTimer, Slot
from PySide6.QtWidgets import QMainWindow

from droid_tune.paths import runs_dir
from ui.session import Session

#: several files of a new run come one after the other
SETTLE_MS = 400


class RunsWatch(QObject):
    """Reads the list again when the runs' folder changes, and when the window comes to the front (a run's own files did)."""

    def __init__(self, session: Session, window: QMainWindow) -> None:
        super().__init__(window)
        self._session = session
        self._watcher = QFileSystemWatcher(self)
        self._watcher.directoryChanged.connect(self._soon)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(SETTLE_MS)
        self._later.timeout.connect(self.read)
        session.runs_changed.connect(self._look_there)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.WindowActivate and self._watcher.directories():
            self._soon()
        return False

    @Slot()
    def read(self) -> None:
        """Read the list of runs again, in the background."""
        self._session.refresh_runs()

    @Slot()
    def _soon(self) -> None:
        self._later.start()

    @Slot()
    def _look_there(self) -> None:
        """The folder may have been made, or chosen anew, since the last look; until there is one, what will hold it."""
        wanted = str(next(folder for folder in (runs_dir(), *runs_dir().parents) if folder.is_dir()))
        known = self._watcher.directories()
        if known == [wanted]:
            return
        if known:
            self._watcher.removePaths(known)
            self._soon()  # what was made there before anybody looked
        self._watcher.addPath(wanted)
