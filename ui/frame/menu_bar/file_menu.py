"""The File menu: what comes in (data, settings), what goes out (results), and closing."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow

from ui.frame.menus import MenuCommand, add_menu, front_of
from ui.frame.orders.path_opening import Opening
from ui.frame.orders.run_results import RunResults
from ui.settings import Settings


class FileMenu(QObject):
    """Open Recent is filled as it opens."""

    def __init__(
        self, settings: Settings, opening: Opening, results: RunResults, window: QMainWindow
    ) -> None:
        super().__init__(window)
        self._settings, self._opening, self._window = settings, opening, window
        standard, role = QKeySequence.StandardKey, QAction.MenuRole
        menu, made = add_menu(
            window,
            "File",
            [
                MenuCommand("open", "Open Folder…", opening.choose_folder, standard.Open),
                MenuCommand("sample", "Use Sample Data", opening.use_sample),
                None,
                MenuCommand("import", "Import Settings…", opening.choose_settings, "Ctrl+Shift+O"),
                None,
                MenuCommand("export", "Export…", results.export, "Ctrl+E"),
                MenuCommand("reveal", "Reveal Run in Finder", results.reveal_run, "Ctrl+Shift+F"),
                MenuCommand("runs", "Show Runs Folder", results.show_runs_folder),
                None,
                MenuCommand("close", "Close Window", self._close, standard.Close),
                MenuCommand("quit", "Quit Droid Tune", window.close, standard.Quit, role.QuitRole),
            ],
        )
        self._recent = menu.addMenu("Open Recent")
        menu.insertMenu(made["sample"], self._recent)
        self._recent.aboutToShow.connect(self._fill_recent)

    @Slot()
    def _close(self) -> None:
        front_of(self._window).close()

    @Slot()
    def _fill_recent(self) -> None:
        self._recent.clear()
        for path in self._settings.recent_data:
            action = self._recent.addAction(path)
            action.triggered.connect(partial(self._opening.open_data, Path(path)))
        if not self._settings.recent_data:
            self._recent.addAction("Nothing yet").setEnabled(False)
