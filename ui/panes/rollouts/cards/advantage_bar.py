"""How much better than its group a completion is, as a bar."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from ui.theme import current_theme


class AdvantageBar(QWidget):
    """A bar from the middle: to the right and green for better than the group, to the left and red for worse."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._share = 0.0

    def show_advantage(self, advantage: float, widest: float) -> None:
        """`widest` is the advantage, whatever its sign, that fills one half."""
        self._share = max(-1.0, min(1.0, advantage / widest)) if widest > 0 else 0.0
        said = f"Advantage {advantage:+.2f}"
        self.setAccessibleName(said)
        self.setToolTip(f"{said}: how much better than the group's mean, in the units that the loss uses")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(84, 12)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = current_theme().tokens
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        middle, height = self.width() / 2, 6.0
        top = (self.height() - height) / 2
        painter.setBrush(QColor(tokens.raised))
        painter.drawRoundedRect(QRectF(0, top, self.width(), height), 3, 3)
        length = abs(self._share) * middle
        painter.setBrush(QColor(tokens.good if self._share >= 0 else tokens.bad))
        start = middle if self._share >= 0 else middle - length
        painter.drawRoundedRect(QRectF(start, top, length, height), 3, 3)
        painter.setBrush(QColor(tokens.tertiary))
        painter.drawRect(QRectF(middle - 0.5, top - 3, 1, height + 6))
        painter.end()
