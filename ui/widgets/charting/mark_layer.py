"""The marks of all curves of a chart, over them: pyqtgraph's own scatter costs a millisecond and a half a curve and redraw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyqtgraph as pg
from pyqtgraph.graphicsItems.ScatterPlotItem import drawSymbol
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QWidget

from ui.theme import current_theme
from ui.widgets.curves import Floats

#: pixels of a mark that tells curves apart, and of a point's own
SIZE, DOT = 9, 7


@dataclass(frozen=True)
class CurveMarks:
    """The marks of one curve: their shape as pyqtgraph names it, where they stand, (N,) each, and how large they are."""

    shape: str
    color: QColor
    places: Floats
    values: Floats
    size: int = SIZE


class MarkLayer(pg.GraphicsObject):
    """Drawn as large on the screen at every zoom."""

    def __init__(self) -> None:
        super().__init__()
        self.marks: Sequence[CurveMarks] = ()
        self.setZValue(0.25)

    def show_marks(self, marks: Sequence[CurveMarks]) -> None:
        """In the place of those before."""
        self.marks = marks
        self.update()

    def boundingRect(self) -> QRectF:
        return self.viewRect() or QRectF()

    def viewTransformChanged(self) -> None:
        """Called by pyqtgraph when what is seen has moved."""
        self.prepareGeometryChange()

    def paint(self, painter: QPainter, option: Any, widget: QWidget | None = None) -> None:
        to_screen = painter.worldTransform()
        painter.resetTransform()
        pen = pg.mkPen(current_theme().tokens.surface, width=1)
        for curve in self.marks:
            for place, value in zip(curve.places.tolist(), curve.values.tolist(), strict=True):
                painter.save()
                painter.translate(to_screen.map(QPointF(place, value)))
                drawSymbol(painter, curve.shape, curve.size, pen, curve.color)
                painter.restore()
