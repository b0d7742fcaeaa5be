"""The plot of a chart: axes in the metric's unit, a line at the step that is looked at, lines where the run changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from ui.theme import current_theme
from ui.widgets.charting.curve_items import translucent
from ui.widgets.charting.plot_area import PlotArea
from ui.widgets.charting.plot_parts import TICK_PIXELS, Box, Plot, StepAxis, UnitAxis
from ui.widgets.charting.run_marks import COLORS, Kind
from ui.widgets.charting.scale_across import ScaleAcross

pg.setConfigOptions(antialias=True)


class CurvePlot(Plot):
    """Curves are added to its `area` by whoever has them."""

    def __init__(self, parent: QWidget) -> None:
        axis, bottom, box = UnitAxis("left"), StepAxis("bottom"), Box(enableMenu=False)
        super().__init__(PlotArea(box, axis, bottom), parent)
        self.axis, self.bottom, self.box = axis, bottom, box
        self.box.setMouseMode(pg.ViewBox.RectMode)
        self.box.setAutoVisible(y=True)
        self.area.show_grid(0.16, "left")
        self.axis.setWidth(52)
        self.bottom.setHeight(20)
        for axis in (self.axis, self.bottom):
            axis.setStyle(tickLength=0, tickTextOffset=6, autoExpandTextSpace=False)
        self.step_line = pg.InfiniteLine(angle=90, movable=False)
        self.step_line.hide()
        self._lines: list[Any] = []
        self.setToolTip("Click for the completions of a step, drag for a range, double-click for everything")

    def show_unit(self, unit: str) -> None:
        """What the values are in; shares have room from 0 to 1 alone."""
        self.axis.unit = unit
        self.box.within = (0.0, 1.0) if unit == "share" else None

    def show_across(self, across: ScaleAcross) -> None:
        """What the curves are drawn over."""
        self.bottom.across = across

    def dress(self) -> None:
        """In the theme's colours, without any curve."""
        tokens = current_theme().tokens
        self.area.clear()
        self._lines = []
        self.setBackground(QColor(tokens.surface))
        font = self.font()
        font.setPixelSize(TICK_PIXELS)
        for side, axis in self.area.axes.items():
            axis.setPen(pg.mkPen(tokens.border if side == "bottom" else "#00000000"))
            axis.setTickPen(pg.mkPen(tokens.secondary))
            axis.setTextPen(pg.mkPen(tokens.secondary))
            axis.setTickFont(font)
        self.step_line.setPen(pg.mkPen(tokens.secondary, style=Qt.PenStyle.DashLine))
        self.area.add(self.step_line, ignore_bounds=True)

    def draw_lines(self, lines: Sequence[tuple[float, Kind]]) -> None:
        """Lines through the plot at these places, for what happened there."""
        for old in self._lines:
            self.area.remove(old)
        self._lines = []
        for place, kind in lines:
            color = translucent(current_theme().color(COLORS[kind]), 0.6)
            style = Qt.PenStyle.DotLine if kind == "best" else Qt.PenStyle.DashDotLine
            made = pg.InfiniteLine(place, angle=90, pen=pg.mkPen(color, width=1, style=style))
            self.area.add(made, ignore_bounds=True)
            self._lines.append(made)

    def settle(self) -> None:
        """Show the range of what was drawn at once: taken by a first paint, it moves the axes, and a second paint follows."""
        self.box.prepareForPaint()

    def show_cursor(self, place: float | None) -> None:
        """A line at the place that is looked at; None for no line."""
        self.step_line.setVisible(place is not None)
        if place is not None:
            self.step_line.setPos(place)

    def show_range(self, ends: tuple[float, float] | None) -> None:
        """Show what is between two places; None for everything."""
        if ends is None:
            self.box.enableAutoRange()
            return
        self.box.setXRange(*ends, padding=0.02)
        self.box.enableAutoRange(axis=pg.ViewBox.YAxis)

    def pixels_of(self, places: Sequence[float], beside: QWidget) -> list[float | None]:
        """Where places stand in the coordinates of a widget above or below; None for those out of sight."""
        low, high = self.box.viewRange()[0]
        if high <= low:
            return [None] * len(places)
        box = self.box.sceneBoundingRect()
        left = beside.mapFromGlobal(self.mapToGlobal(self.mapFromScene(box.topLeft()))).x()
        shares = [(place - low) / (high - low) for place in places]
        return [left + share * box.width() if 0 <= share <= 1 else None for share in shares]
