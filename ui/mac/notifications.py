"""Says that a run has ended to a person who is looking elsewhere.

macOS shows notifications of a signed application only. The ad hoc signature of an application that somebody built
for themselves does not count; there the sentence waits in the window and the Dock icon bounces once.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QApplication, QSystemTrayIcon

from droid_tune import words
from droid_tune.runs.state import RunState
from ui.frame.spoken import ENDS
from ui.main_window import MainWindow

CODESIGN = "/usr/bin/codesign"
SECONDS = 10

Run = Callable[[Sequence[str]], str]


class Announcer(QObject):
    """Watches the session; announces the end of a run when the application is not in front."""

    def __init__(self, window: MainWindow, app: QApplication) -> None:
        super().__init__(window)
        self._window = window
        self._app = app
        self._was_training = window.session.training
        self._tray: QSystemTrayIcon | None = None
        window.session.life_changed.connect(self._follow)

    @Slot()
    def _follow(self) -> None:
        training = self._window.session.training
        ended = self._was_training and not training
        self._was_training = training
        wanted = self._window.session.settings.notifications
        if ended and wanted and self._app.activeWindow() is None:
            self.announce(self._window.session.live)

    def announce(self, run: RunState | None) -> None:
        """One sentence about a run that has ended: as a notification where macOS allows one, else in the window."""
        title, text = sentence(run)
        self._app.alert(self._window)
        if may_notify():
            self._notify(title, text)
        elif run is None or run.life != "failed":  # the window says a failure by itself
            self._window.session.told.emit("info", title, text)

    def _notify(self, title: str, text: str) -> None:
        if self._tray is None:
            self._tray = QSystemTrayIcon(self._window.windowIcon(), self)
        # Qt sends notifications through a menu bar icon; it is shown only for the moment it is needed.
        self._tray.show()
        self._tray.showMessage(title, text, self._window.windowIcon())
        self._tray.hide()


def sentence(run: RunState | None) -> tuple[str, str]:
    """Title and text for a run that has ended."""
    if run is None:
        return "Training has ended", ""
    steps = f"{run.step:,} of {words.count(run.total_steps, 'step')}"
    return ENDS.get(run.life, "Training has ended"), f"{steps}. {run.why}".strip() if run.why else f"{steps}."


def may_notify() -> bool:
    """Whether macOS would show a notification of this application."""
    bundle = bundle_of(Path(sys.executable))
    return sys.platform == "darwin" and bundle is not None and is_signed(bundle, run_codesign)


def bundle_of(executable: Path) -> Path | None:
    """The .app folder that an executable belongs to (`X.app/Contents/MacOS/x`), or None."""
    folders = executable.parents
    if len(folders) > 2 and folders[0].name == "MacOS" and folders[2].suffix == ".app":
        return folders[2]
    return None


def is_signed(bundle: Path, run: Run) -> bool:
    """Whether a developer's certificate signed the bundle. `run` runs codesign and returns what it says."""
    said = run([CODESIGN, "--display", "--verbose=2", str(bundle)])
    return any(line.startswith("Authority=") for line in said.splitlines())


def run_codesign(command: Sequence[str]) -> str:
    """What codesign says (on its error output); nothing where it is missing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
