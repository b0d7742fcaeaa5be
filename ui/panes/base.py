"""What every pane is: a page that draws the session when it is seen."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QStackedLayout, QWidget

from ui.session import Session
from ui.widgets.empty import EmptyState


class Pane(QWidget):
    """`refresh` is called on the window's beat while the pane is seen and something changed, and when it appears."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.session = session
        self.setProperty("role", "page")

    def refresh(self) -> None:
        """Draw what changed. Cheap when nothing did."""

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh()

    def shut(self) -> None:
        """The window closes: let go of threads and files."""


class FillingPane(Pane):
    """Until there is something to show it says what it will be, with a button that leads to the Setup pane."""

    setup_wanted = Signal()

    def __init__(self, session: Session, parent: QWidget, icon: str, title: str, words: str) -> None:
        super().__init__(session, parent)
        self._pages = QStackedLayout(self)
        empty = EmptyState(icon, title, words, "Set up a run", parent=self)
        empty.asked.connect(self.setup_wanted)
        self._pages.addWidget(empty)

    def add_content(self, content: QWidget) -> None:
        """What is shown once there is something."""
        self._pages.addWidget(content)

    def show_content(self, filled: bool) -> None:
        """The content, or that there is none yet."""
        self._pages.setCurrentIndex(int(filled))
