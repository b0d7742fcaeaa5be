"""An on/off switch as in System Settings."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from ui.theme import current_theme


class Switch(QAbstractButton):
    """Checkable; 38 x 22."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def sizeHint(self) -> QSize:
        return QSize(38, 22)

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = current_theme().tokens
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(1, 1, self.width() - 2, self.height() - 2)
        on = self.isChecked() and self.isEnabled()
        painter.setBrush(QColor(tokens.accent if on else tokens.border))
        painter.setPen(QPen(QColor(tokens.text), 1.4) if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.drawRoundedRect(track, track.height() / 2, track.height() / 2)
        knob = self.height() - 6
        left = self.width() - knob - 3 if self.isChecked() else 3
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor("#ffffff"))
        painter.drawEllipse(QRectF(left, 3, knob, knob))
        painter.end()
