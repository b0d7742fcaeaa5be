"""The View and Window menus: which pane is seen, and how large the window is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow

from ui.frame.menus import MenuCommand, add_menu, front_of
from ui.frame.pane_stack import PaneStack
from ui.panes.table import PaneEntry


class ViewMenu(QObject):
    """A line and a number key for each pane; Settings has its own place and key."""

    def __init__(self, entries: Sequence[PaneEntry], panes: PaneStack, window: QMainWindow) -> None:
        super().__init__(window)
        self._window = window
        numbered = [
            MenuCommand(entry.key, entry.title, partial(panes.turn_to, entry.key), f"Ctrl+{number}")
            for number, entry in enumerate((one for one in entries if one.key != "settings"), start=1)
        ]
        to_settings = partial(panes.turn_to, "settings")
        role, key = QAction.MenuRole.PreferencesRole, QKeySequence.StandardKey.FullScreen
        settings = MenuCommand("settings", "Settings…", to_settings, "Ctrl+,", role)
        full = MenuCommand("full_screen", "Enter Full Screen", self._full_screen, key)
        _, self._actions = add_menu(window, "View", [*numbered, None, full, None, settings])

    @Slot()
    def _full_screen(self) -> None:
        if self._window.isFullScreen():
            self._window.showNormal()
        else:
            self._window.showFullScreen()
        wording = "Exit Full Screen" if self._window.isFullScreen() else "Enter Full Screen"
        self._actions["full_screen"].setText(wording)


class WindowMenu(QObject):
    """What every Mac window can do: lie down in the Dock, fill the screen."""

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self._window = window
        minimize = MenuCommand("minimise", "Minimize", self._minimize, "Ctrl+M")
        add_menu(window, "Window", [minimize, MenuCommand("zoom", "Zoom", self._zoom)])

    @Slot()
    def _minimize(self) -> None:
        front_of(self._window).showMinimized()

    @Slot()
    def _zoom(self) -> None:
        front = front_of(self._window)
        if front.isMaximized():
            front.showNormal()
        else:
            front.showMaximized()
