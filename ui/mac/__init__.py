"""What only a Mac has: the Dock's menu, the title bar's file icon, notifications. `install` is the only entry.

Every part is harmless on Linux and is tested there with fakes. The parts that need no Mac-only call (menu roles, keys,
the Dock badge, `caffeinate`, files that the Finder opens) are in `ui.frame.menus`, `ui.frame.platform_manners` and `ui.app`.
"""

from __future__ import annotations

from PySide6.QtWidgets import QApplication

from ui.mac.dock import DockMenu
from ui.mac.notifications import Announcer
from ui.mac.proxy_icon import ProxyIcon
from ui.main_window import MainWindow


def install(window: MainWindow, app: QApplication) -> None:
    """Gives the window its manners on a Mac; they live as long as the window."""
    DockMenu(window)
    ProxyIcon(window)
    Announcer(window, app)
