"""The machine's memory as one bar: coloured parts from the left, marks across it, a legend below."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from droid_tune import words
from ui.theme import current_theme
from ui.widgets.basics import plain_tip

HEIGHT, LEGEND_HEIGHT, DOT, GAP = 14, 20, 8, 16
#: a part that takes next to nothing can still be seen
LEAST_PIXELS = 3.0


@dataclass(frozen=True)
class Part:
    """Bytes of one kind. `tone` is a theme colour's name, `strength` how opaque it is painted."""

    label: str
    count: float
    tone: str
    strength: float = 1.0


@dataclass(frozen=True)
class BarMark:
    """A line across the bar at so many bytes."""

    label: str
    at: float
    tone: str = "secondary"


class MemoryBar(QWidget):
    """Parts of `total` bytes; what is beyond the total is painted at its end in the colour of trouble."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._parts: tuple[Part, ...] = ()
        self._marks: tuple[BarMark, ...] = ()
        self._total = 1.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        current_theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(360, HEIGHT + 6 + LEGEND_HEIGHT * max(1, self._legend_lines(360)))

    def minimumSizeHint(self) -> QSize:
        return QSize(160, self.sizeHint().height())

    def show_memory(self, parts: tuple[Part, ...], marks: tuple[BarMark, ...], total: float) -> None:
        """Draw parts and marks of `total` bytes, and say them to VoiceOver."""
        if (parts, marks, total) == (self._parts, self._marks, self._total):
            return
        self._parts, self._marks, self._total = parts, marks, max(total, 1.0)
        said = [*(f"{part.label} {words.size(part.count)}" for part in parts if part.count)]
        said += [f"{mark.label} {words.size(mark.at)}" for mark in marks]
        text = f"{', '.join(said)}, of {words.size(self._total)}"
        self.setAccessibleName(f"Memory: {text}")
        self.setToolTip(plain_tip(text))
        self.updateGeometry()
        self.update()

    @property
    def shown(self) -> tuple[Part, ...]:
        """The parts that are drawn."""
        return self._parts

    # --- painting -----------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_bar(painter)
        self._paint_legend(painter)
        painter.end()

    def _paint_bar(self, painter: QPainter) -> None:
        theme = current_theme()
        area = QRectF(0, 3, self.width(), HEIGHT)
        outline = QPainterPath()
        outline.addRoundedRect(area, 5, 5)
        painter.save()
        painter.setClipPath(outline)
        painter.fillRect(area, theme.color("raised"))
        left = end = 0.0
        for part in self._parts:
            end += part.count / self._total * self.width()
            width = max(LEAST_PIXELS, end - left) if part.count > 0 else 0.0
            painter.fillRect(QRectF(left, area.top(), width, HEIGHT), _color(part))
            left += width
        if left > self.width() + 1:
            painter.fillRect(QRectF(self.width() - 6, area.top(), 6, HEIGHT), theme.color("bad"))
        painter.restore()
        for mark in self._marks:
            place = min(self.width() - 2.0, mark.at / self._total * self.width())
            painter.fillRect(QRectF(place - 1, 0, 2, HEIGHT + 6), theme.color(mark.tone))

    def _paint_legend(self, painter: QPainter) -> None:
        theme = current_theme()
        line, left = 0, 0
        for text, width, part in self._legend():
            if left and left + width > self.width():
                line, left = line + 1, 0
            top = HEIGHT + 6 + line * LEGEND_HEIGHT
            color = theme.color(part.tone) if isinstance(part, BarMark) else _color(part)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color)
            if isinstance(part, BarMark):
                painter.drawRect(QRectF(left + 3, top + 5, 2, DOT + 2))
            else:
                painter.drawRoundedRect(QRectF(left, top + 6, DOT, DOT), 2, 2)
            painter.setPen(theme.color("secondary"))
            words = QRectF(left + DOT + 5, top, width, LEGEND_HEIGHT)
            painter.drawText(words, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), text)
            left += width

    def _legend(self) -> list[tuple[str, int, Part | BarMark]]:
        """Words, width in pixels, what they stand for."""
        metrics = self.fontMetrics()
        shown: list[tuple[str, Part | BarMark]] = [
            (f"{part.label} {words.size(part.count)}", part) for part in self._parts if part.count > 0
        ]
        shown += [(f"{mark.label} {words.size(mark.at)}", mark) for mark in self._marks]
        return [(text, DOT + 5 + metrics.horizontalAdvance(text) + GAP, what) for text, what in shown]

    def _legend_lines(self, width: int) -> int:
        line, left = 1, 0
        for _, needed, _ in self._legend():
            if left and left + needed > max(width, self.width()):
                line, left = line + 1, 0
            left += needed
        return line


def _color(part: Part) -> QColor:
    color = current_theme().color(part.tone)
    color.setAlphaF(part.strength)
    return color
