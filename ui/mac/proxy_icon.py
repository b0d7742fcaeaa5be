"""The small icon in the title bar that stands for the data folder: it can be dragged, and Command-click shows its path."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Slot

from ui.main_window import MainWindow


class ProxyIcon(QObject):
    """Follows the data of the session's draft."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        window.session.data_changed.connect(self.show_path)

    @Slot(str)
    def show_path(self, path: str) -> None:
        """A path that does not exist ("sample" names the bundled data) takes the icon away.

        A window that has a title keeps it.
        """
        self._window.setWindowFilePath(path if Path(path).is_absolute() and Path(path).exists() else "")
