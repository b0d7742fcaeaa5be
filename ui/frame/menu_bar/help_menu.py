"""The Help menu: the search, a line for each topic, and what the application is."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow

from ui.frame.help_window import HelpWindow, help_topics
from ui.frame.menus import MenuCommand, add_menu
from ui.frame.pane_stack import PaneStack


class HelpMenu(QObject):
    """The help's window is made when it is first asked for."""

    def __init__(self, panes: PaneStack, window: QMainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._help: HelpWindow | None = None
        contents, role = QKeySequence.StandardKey.HelpContents, QAction.MenuRole.AboutRole
        search = MenuCommand("help", "Search the Help…", partial(self._open, ""), contents)
        topics = [
            MenuCommand(f"help {key}", title, partial(self._open, key))
            for key, title in help_topics().items()
        ]
        about = MenuCommand("about", "About Droid Tune", partial(panes.turn_to, "settings"), role=role)
        add_menu(window, "Help", [search, None, *topics, None, about])

    def _open(self, topic: str) -> None:
        if self._help is None:
            self._help = HelpWindow(self._window)
        self._help.open_topic(topic)
