"""Cards to choose one from: a title and what it means."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QWidget

from ui.widgets.basics import column, label, prose
from ui.widgets.restyling import restyle


class ChoiceCard(QFrame):
    """One choice; `pressed` tells its key."""

    pressed = Signal(str)

    def __init__(self, key: str, title: str, words: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.key = key
        self.setProperty("role", "choice")
        self.setProperty("chosen", False)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._spoken = f"{title}: {words}"
        layout = column(self, spacing=3)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.addWidget(label(title, "strong", parent=self))
        layout.addWidget(prose(words, "small", parent=self))
        layout.addStretch(1)

    def show_chosen(self, chosen: bool) -> None:
        """Look chosen or not, and say so to VoiceOver."""
        restyle(self, "chosen", chosen)
        self.setAccessibleName(f"{self._spoken} (chosen)" if chosen else self._spoken)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        if self.rect().contains(event.position().toPoint()):
            self.pressed.emit(self.key)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.pressed.emit(self.key)
        else:
            super().keyPressEvent(event)


class ChoiceCards(QWidget):
    """Three columns where there is room, else two; `chosen` tells the key."""

    chosen = Signal(str)

    def __init__(self, choices: Sequence[tuple[str, str, str]], parent: QWidget, name: str) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self._columns = 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(10)
        self._cards = [ChoiceCard(key, title, words, self) for key, title, words in choices]
        for card in self._cards:
            card.pressed.connect(self._pressed)
        self._arrange(3)

    def choose(self, key: str) -> None:
        """Show a choice without telling."""
        for card in self._cards:
            card.show_chosen(card.key == key)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange(3 if self.width() >= 660 else 2)

    def _arrange(self, columns: int) -> None:
        if columns == self._columns:
            return
        self._columns = columns
        for place, card in enumerate(self._cards):
            self._grid.addWidget(card, place // columns, place % columns)
        for place in range(3):
            self._grid.setColumnStretch(place, 1 if place < columns else 0)

    @Slot(str)
    def _pressed(self, key: str) -> None:
        self.choose(key)
        self.chosen.emit(key)
