"""What a Mac expects of an application that works for hours. Each is harmless elsewhere."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from PySide6.QtCore import QProcess, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication

log = logging.getLogger(__name__)


class Wakefulness:
    """Holds off idle system sleep while something trains (`caffeinate -i`); the display may sleep."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._ended: subprocess.Popen[bytes] | None = (
            None  # told to end; Python reaps it when the next one begins
        )

    def keep(self, wanted: bool) -> None:
        """Hold sleep off, or let the computer sleep again; on macOS only."""
        if wanted and self._child is None:
            self._begin()
        elif not wanted and self._child is not None:
            self._child.terminate()
            self._ended, self._child = self._child, None

    def _begin(self) -> None:
        command = shutil.which("caffeinate")
        if sys.platform != "darwin" or command is None:
            return
        try:
            # -w: it also ends when we do, however we end.
            self._child = subprocess.Popen([command, "-i", "-w", str(os.getpid())])
        except OSError as error:
            log.warning("the computer may fall asleep while training: %s", error)


def show_badge(percent: int | None) -> None:
    """The progress on the Dock icon; None takes it away."""
    application: Any = QGuiApplication.instance()
    if sys.platform == "darwin" and application is not None:
        application.setBadgeNumber(percent or 0)


def reveal(path: Path) -> None:
    """Show a file or folder in the Finder, chosen; elsewhere open the folder that holds it."""
    if sys.platform == "darwin":
        QProcess.startDetached("/usr/bin/open", ["-R", str(path)])
    else:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.parent)))


def prepare_environment() -> None:
    """Before MLX is imported: long GPU kernels must not be taken for hangs."""
    os.environ.setdefault("AGX_RELAX_CDM_CTXSTORE_TIMEOUT", "1")
