"""What a chart's plot is made of: axes with texts as people read them, a box that zooms across alone."""

from __future__ import annotations

from typing import Any, cast

import pyqtgraph as pg
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QRectF, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QSizePolicy, QWidget

from ui.widgets.axis_texts import roomy, round_ticks, tick_texts
from ui.widgets.charting.plot_area import PlotArea
from ui.widgets.charting.scale_across import ScaleAcross

#: a grid is there to read a value off, not to fill the plot
MOST_TICKS = 6
#: pixels of a tick's text on one side of its tick
HALF_LINE = 7
TICK_PIXELS = 11


class UnitAxis(pg.AxisItem):
    """Ticks in the metric's unit: shares in percent, bytes in MB."""

    unit = ""

    def boundingRect(self) -> QRectF:
        """With half a line above and below: what stands at an end of the axis would not be drawn."""
        return super().boundingRect().adjusted(0, -HALF_LINE, 0, HALF_LINE)

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        return round_ticks(minVal, maxVal, min(MOST_TICKS, max(2, size / 28)))

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return tick_texts(values, spacing, self.unit)


class StepAxis(pg.AxisItem):
    """Whole steps, or whatever else the curves are drawn over."""

    across = ScaleAcross()

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        return round_ticks(minVal, maxVal, max(2, size / 70), least=1.0)

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [self.across.text(value) for value in values]


class Box(pg.ViewBox):
    """Shows a constant in the middle of a range of its own size; pyqtgraph would show it from -0.5 to 0.5 around.

    Dragging marks a range across; up it always shows what there is in it. `marked` tells the ends.
    """

    marked = Signal(float, float)
    #: what the values can be at all (a share), so that no room is made beyond
    within: tuple[float, float] | None = None

    def childrenBounds(self, *args: Any, **options: Any) -> list[Any]:
        across, up = cast("list[Any]", super().childrenBounds(*args, **options))
        if across is not None and across[0] == across[1]:
            across = [across[0] - 1, across[1] + 1]
        return [across, self._room(*up) if up is not None else None]

    def _room(self, low: float, high: float) -> list[float]:
        least, most = roomy(low, high)
        if self.within is not None and self.within[0] <= low <= high <= self.within[1]:
            return [max(least, self.within[0]), min(most, self.within[1])]
        return [least, most]

    def showAxRect(self, ax: QRectF, **_: Any) -> None:
        self.marked.emit(ax.left(), ax.right())


class Plot(pg.GraphicsView):
    """Shows an `area`.

    Leaves the wheel to the page; Ctrl (Cmd) and wheel zooms, dragging marks a range, a double click shows all.
    """

    resized = Signal()
    left = Signal()
    shows_all = Signal()
    stepped = Signal(int)  # by the arrow keys
    told = Signal()  # Return or Space: its values in words are wanted
    menu_wanted = Signal(QPoint)  # where on the screen

    def __init__(self, area: PlotArea, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.enableMouse(False)
        self.area = area
        self.setCentralItem(area)

    def resizeEvent(self, ev: QResizeEvent | None) -> None:
        super().resizeEvent(ev)
        self.resized.emit()

    def wheelEvent(self, ev: QWheelEvent) -> None:
        if ev.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().wheelEvent(ev)
            return
        page = self.parentWidget()
        while page is not None and not isinstance(page, QScrollArea):
            page = page.parentWidget()
        # An ignored wheel event does not get out of a graphics view by itself.
        if page is not None:
            QCoreApplication.sendEvent(page.verticalScrollBar(), ev)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        super().mouseDoubleClickEvent(event)
        self.shows_all.emit()

    def leaveEvent(self, ev: QEvent) -> None:
        super().leaveEvent(ev)
        self.left.emit()

    def keyPressEvent(self, ev: QKeyEvent) -> None:
        direction = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(ev.key()))
        if direction is not None:
            self.stepped.emit(direction)
        elif ev.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.told.emit()
        else:
            super().keyPressEvent(ev)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.menu_wanted.emit(event.globalPos())
