"""What a pane says before it has anything to show: what it will be, and what to do first."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QWidget

from ui import icons
from ui.theme import current_theme
from ui.widgets.basics import button, column, label

#: short lines are read more readily
TEXT_WIDTH = 440


class EmptyState(QWidget):
    """An icon, a title, a sentence and at most one button (`asked`)."""

    asked = Signal()

    def __init__(self, icon: str, title: str, words: str, action: str = "", *, parent: QWidget) -> None:
        super().__init__(parent)
        self._icon = icon
        layout = column(self, spacing=10, margins=40)
        layout.addStretch(1)
        self._sign = QLabel(self)
        self._sign.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(self._sign)
        heading = label(title, "empty-title", parent=self)
        heading.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(heading)
        text = label(words, "secondary", parent=self, wrap=True)
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        text.setFixedWidth(TEXT_WIDTH)
        text.setMinimumHeight(text.heightForWidth(TEXT_WIDTH))
        layout.addWidget(text, 0, Qt.AlignmentFlag.AlignHCenter)
        if action:
            pressed = button(action, "primary", parent=self)
            pressed.clicked.connect(self.asked)
            layout.addSpacing(6)
            layout.addWidget(pressed, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(2)
        self._draw()
        current_theme().changed.connect(self._draw)

    def _draw(self) -> None:
        self._sign.setPixmap(icons.pixmap(self._icon, current_theme().tokens.tertiary, 52))
