"""The menu bar: standard places, roles and keys, as a Mac user's fingers know them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu, QWidget

Key = QKeySequence | QKeySequence.StandardKey | str | None


@dataclass(frozen=True)
class MenuCommand:
    """One line of a menu; `Ctrl` in a key is the Command key on a Mac."""

    name: str
    text: str
    slot: Callable[[], object]
    key: Key = None
    role: QAction.MenuRole = QAction.MenuRole.NoRole


def front_of(window: QMainWindow) -> QWidget:
    """The window that a menu's command means: the one in front, which may be a window of its own beside this one."""
    return QApplication.activeWindow() or window


def add_menu(
    window: QMainWindow, title: str, commands: list[MenuCommand | None]
) -> tuple[QMenu, dict[str, QAction]]:
    """A menu with its actions by name; None is a separating line."""
    menu = window.menuBar().addMenu(title)
    made: dict[str, QAction] = {}
    for command in commands:
        if command is None:
            menu.addSeparator()
            continue
        action = QAction(command.text, window)
        action.setMenuRole(command.role)
        if command.key is not None:
            action.setShortcut(QKeySequence(command.key))
        action.triggered.connect(command.slot)
        menu.addAction(action)
        made[command.name] = action
    return menu, made
