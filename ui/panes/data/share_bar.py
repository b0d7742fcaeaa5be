"""A bar of accepted, rejected and blank rows."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from droid_tune import words
from ui.theme import current_theme
from ui.widgets.basics import plain_tip

#: a share too small to see still gets these pixels
LEAST = 4.0


class ShareBar(QWidget):
    """Three shares of the whole width; each that is not empty can be seen."""

    def __init__(self, accepted: int, rejected: int, blank: int, parent: QWidget) -> None:
        super().__init__(parent)
        self._counts = (accepted, rejected, blank)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        said = f"{words.count(accepted, 'row')} accepted, {rejected:,} rejected, {blank:,} blank"
        self.setAccessibleName(said)
        self.setToolTip(plain_tip(said))

    def sizeHint(self) -> QSize:
        return QSize(120, 8)

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = current_theme().tokens
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect())
        outline = QPainterPath()
        outline.addRoundedRect(area, 4, 4)
        painter.setClipPath(outline)
        painter.fillRect(area, QColor(tokens.raised))
        left = 0.0
        for width, color in zip(
            widths(self._counts, self.width()), (tokens.good, tokens.bad, tokens.tertiary), strict=True
        ):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.fillRect(QRectF(left, 0, width, self.height()), QColor(color))
            left += width
        painter.end()


def widths(counts: tuple[int, ...], total: float) -> list[float]:
    """Pixels of each share; small ones are widened at the cost of the largest."""
    whole = sum(counts)
    if not whole:
        return [0.0] * len(counts)
    shares = [max(LEAST, total * count / whole) if count else 0.0 for count in counts]
    largest = shares.index(max(shares))
    shares[largest] -= sum(shares) - total
    return shares
