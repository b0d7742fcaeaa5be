"""What every pane is: a page that draws the session when it is seen."""

from __future__ import annotations

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QWidget

from ui.session import Session


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
