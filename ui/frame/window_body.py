"""What the window is filled with: the sidebar, and beside it banners, the find bar and the pane that is seen."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from ui.frame.find_bar import FindBar
from ui.frame.pane_stack import PaneStack
from ui.frame.sidebar import Sidebar
from ui.panes.table import PANES
from ui.session import Session
from ui.widgets.basics import column, row
from ui.widgets.notice import NoticeStack


class WindowBody(QWidget):
    """The sidebar turns the panes, and shows which one is seen however it was turned to."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        sides = row(self, spacing=0)
        self.sidebar = Sidebar(PANES, self)
        sides.addWidget(self.sidebar)
        main = QWidget(self)
        sides.addWidget(main, 1)
        stack = column(main, spacing=0)
        self.banners = NoticeStack(main)
        self.banners.setContentsMargins(20, 12, 20, 0)
        self.panes = PaneStack(session, main)
        self.find_bar = FindBar(main)
        stack.addWidget(self.banners)
        stack.addWidget(self.find_bar)
        stack.addWidget(self.panes, 1)
        self.sidebar.chosen.connect(self.panes.turn_to)
        self.panes.turned.connect(self._turned)

    @Slot(str)
    def _turned(self, key: str) -> None:
        self.sidebar.choose(key)
        self.find_bar.leave()
