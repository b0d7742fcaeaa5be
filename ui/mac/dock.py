"""The menu of the Dock icon: Stop while something trains, Resume Last Run while nothing does."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QMenu

from ui.main_window import MainWindow


class DockMenu(QObject):
    """Keeps the two actions in step with the session."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.menu = QMenu(window)
        self.stop = self.menu.addAction("Stop and Save")
        self.stop.triggered.connect(window.session.stop)
        self.resume = self.menu.addAction("Resume Last Run")
        self.resume.triggered.connect(window.resume_last)
        window.session.life_changed.connect(self._follow)
        window.session.runs_changed.connect(self._follow)
        self._follow()
        show_in_dock(self.menu)

    @Slot()
    def _follow(self) -> None:
        session = self._window.session
        self.stop.setEnabled(session.training and not session.stopping_now)
        self.resume.setEnabled(not session.training and any(run.resumable for run in session.runs))


def show_in_dock(menu: QMenu) -> bool:
    """Hands the menu to the Dock; False where there is none. `setAsDockMenu` exists in macOS builds of Qt only."""
    set_as_dock_menu = cast("Callable[[], None] | None", getattr(menu, "setAsDockMenu", None))
    if set_as_dock_menu is None:
        return False
    set_as_dock_menu()
    return True
