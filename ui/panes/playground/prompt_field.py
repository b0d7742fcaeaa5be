"""Where a question is written."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPlainTextEdit, QWidget


class PromptField(QPlainTextEdit):
    """Return asks, Shift-Return breaks the line."""

    asked = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setPlaceholderText("Ask something (Return sends, Shift-Return breaks the line)")
        self.setAccessibleName("Your question")
        self.setFixedHeight(64)
        self.setTabChangesFocus(True)  # else the keyboard would never get out of it

    def keyPressEvent(self, event: QKeyEvent) -> None:
        plain = not event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and plain:
            self.asked.emit()
        else:
            super().keyPressEvent(event)
