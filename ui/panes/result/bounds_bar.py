"""Before and after on one scale from 0 to 100 %, each with what chance alone may do."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from droid_tune import words
from droid_tune.report.story import HeldOutValue
from ui.theme import current_theme

#: pixels of a row, of the words at its left, and below for the scale
ROW, LEFT, FOOT = 26, 58, 18
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


class BoundsBar(QWidget):
    """A dot for each value and a bar for its bounds at 95 %; the two differ in form as well as in colour."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._before: HeldOutValue | None = None
        self._after: HeldOutValue | None = None
        self.setMinimumSize(QSize(220, 2 * ROW + FOOT))
        self.setMaximumHeight(2 * ROW + FOOT)
        current_theme().changed.connect(self.update)

    def show_values(self, before: HeldOutValue | None, after: HeldOutValue | None) -> None:
        """Shares that were counted; hidden where neither has bounds."""
        self._before, self._after = (
            one if one is not None and one.bounds else None for one in (before, after)
        )
        self.setVisible(self._before is not None or self._after is not None)
        said = [
            f"{name}: {words.share(one.value, 1)}, {words.share(one.bounds[0])} to {words.share(one.bounds[1])}"
            for name, one in (("Before", self._before), ("After", self._after))
            if one is not None and one.bounds
        ]
        self.setAccessibleName("Held-out rows before and after, at 95% confidence")
        self.setAccessibleDescription("; ".join(said))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_scale(painter)
        for place, (name, one) in enumerate((("Before", self._before), ("After", self._after))):
            self._draw_row(painter, place * ROW + ROW / 2, name, one, after=place == 1)
        painter.end()

    def _across(self, share: float) -> float:
        return LEFT + share * (self.width() - LEFT - 14)

    def _draw_scale(self, painter: QPainter) -> None:
        tokens = current_theme().tokens
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        for share in QUARTERS:
            x = self._across(share)
            painter.setPen(QColor(tokens.grid))
            painter.drawLine(QPointF(x, 2), QPointF(x, 2 * ROW))
            painter.setPen(QColor(tokens.secondary))
            where = QRectF(x - 24, 2 * ROW, 48, FOOT)
            painter.drawText(where, Qt.AlignmentFlag.AlignCenter, words.share(share))

    def _draw_row(
        self, painter: QPainter, y: float, name: str, one: HeldOutValue | None, *, after: bool
    ) -> None:
        tokens = current_theme().tokens
        painter.setPen(QColor(tokens.secondary))
        painter.drawText(QRectF(0, y - ROW / 2, LEFT - 10, ROW), Qt.AlignmentFlag.AlignVCenter, name)
        if one is None or one.bounds is None:
            return
        color = QColor(tokens.accent if after else tokens.secondary)
        soft = QColor(color)
        soft.setAlphaF(0.3)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(soft)
        low, high = (self._across(bound) for bound in one.bounds)
        painter.drawRoundedRect(QRectF(low, y - 5, max(2.0, high - low), 10), 3, 3)
        painter.setBrush(color)
        at = QPointF(self._across(one.value), y)
        if after:
            painter.drawEllipse(at, 5.5, 5.5)
        else:
            painter.drawRect(QRectF(at.x() - 4.5, at.y() - 4.5, 9, 9))
