"""One curve of a chart as items of its plot: the line, its raw values below, its area, another run's beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from droid_tune.runs.series import Series
from ui.theme import current_theme
from ui.widgets.charting.chart_spec import Line
from ui.widgets.charting.curve_signs import SIGNS, CurveSign
from ui.widgets.charting.mark_layer import DOT, SIZE, CurveMarks
from ui.widgets.charting.plot_area import PlotArea
from ui.widgets.charting.scale_across import ScaleAcross
from ui.widgets.charting.soft_band import SoftBand
from ui.widgets.curves import Floats, Smoother, band_edges, bucketed

#: thick antialiased pens are slow on curves that go up and down so often as to come to this many heights of their chart:
#: 67 ms for 380 points of noise, where a pen of one pixel takes 0.7 (measured 2026-11-30, Qt's raster engine)
MOST_HEIGHTS = 40
#: fewer are drawn as dots: a line of one point cannot be seen
LEAST_FOR_A_LINE = 3
#: more of them are a line, and slow
MOST_DOTS = 100
#: how strongly raw values show through below a smoothed curve, another run beside it, and areas
FAINT, GHOSTLY, SOFT, STACKED = 0.28, 0.45, 0.16, 0.55


@dataclass(frozen=True)
class Drawing:
    """How curves are drawn: the past's weight, what they are drawn over, points for the width, pixels of the screen."""

    smoothing: float
    across: ScaleAcross
    buckets: int
    pixel_ratio: float

    def reduced(self, steps: Floats, values: Floats) -> tuple[Floats, Floats]:
        """Few enough points, at their places across."""
        steps, shown = bucketed(steps, values, self.buckets)
        return self.across.place(steps), shown


NOTHING: Floats = np.empty(0)
#: what covers what: the area, raw values, another run, the untrained model, the curve itself (0)
RAW, GHOST, UNTRAINED = -0.75, -0.5, -0.25


class CurveItems:
    """Made for a line in a colour; what most curves never show is made when it is first shown.

    `smoothers` by what is smoothed are the chart's: they outlive a change of the colours.
    """

    def __init__(
        self,
        area: PlotArea,
        line: Line,
        color: QColor,
        smoothers: defaultdict[str, Smoother],
        *,
        stacked: bool,
        sign: CurveSign = SIGNS[0],
    ) -> None:
        self._line, self._color, self._smoothers, self._sign = line, color, smoothers, sign
        self._area = area
        self._filled, self._edged = False, bool(line.band or line.between[0] or stacked)
        if self._edged:
            self.low, self.high = pg.PlotCurveItem(pen=None), pg.PlotCurveItem(pen=None)
            soft = translucent(color, STACKED if stacked else SOFT)
            self.area = SoftBand(self.low, self.high, soft)
            area.add(self.area)
        self.raw: Any = None
        self.ghost: Any = None
        self.untrained: Any = None
        self.restless = False
        self.marks = self._marks_at(NOTHING, NOTHING)  # none where its dashes tell it
        self.curve = area.add_line()

    def _draw_raw(self, places: Floats, values: Floats) -> None:
        if self.raw is None:
            if not len(values):
                return
            pen = pg.mkPen(translucent(self._color, FAINT), width=1)
            self.raw = self._area.add_line(pen=pen)
            self.raw.setZValue(RAW)
        self.raw.setData(places, values)

    def _marked(self, places: Floats, values: Floats) -> CurveMarks:
        """Which of the drawn points have a mark: each one, a few that tell the curve from others, or none."""
        dotted = self._line.points and len(values) <= MOST_DOTS
        if dotted or len(values) < LEAST_FOR_A_LINE:
            return self._marks_at(places, values, DOT)
        if self.restless or self._sign.marked:
            return self._marks_at(*self._sign.marks_of(places, values))
        return self._marks_at(NOTHING, NOTHING)

    def _marks_at(self, places: Floats, values: Floats, size: int = SIZE) -> CurveMarks:
        return CurveMarks(self._sign.shape, self._color, places, values, size)

    def _draw_untrained(self, value: float | None) -> None:
        if self.untrained is None:
            if value is None:
                return
            pen = pg.mkPen(translucent(self._color, 0.8), width=1, style=Qt.PenStyle.DotLine)
            self.untrained = pg.InfiniteLine(angle=0, pen=pen)
            self.untrained.setZValue(UNTRAINED)
            self._area.add(self.untrained, ignore_bounds=True)
        self.untrained.setVisible(value is not None)
        if value is not None:
            self.untrained.setPos(value)

    def draw(self, series: Mapping[str, Series], drawing: Drawing) -> None:
        """The line over its raw values and its area; nothing where it has no value yet."""
        line = self._line
        found = series.get(line.source)
        if found is None or not len(found):
            self._forget()
            return
        self._filled = True
        steps, own = arrays(found)
        smoothing = 0.0 if self._line.points else drawing.smoothing
        places, shown = drawing.reduced(steps, self._smoothers[line.source].of(own, smoothing))
        # pyqtgraph's pens count the screen's own pixels
        restless = is_restless(shown)
        width = 1.0 if restless else 1.8 * drawing.pixel_ratio
        dash = Qt.PenStyle.SolidLine if restless else self._sign.dash  # many dashes are slow to draw
        self.curve.setData(places, shown, pen=pg.mkPen(self._color, width=width, style=dash))
        self.restless = restless
        self.marks = self._marked(places, shown)
        self._draw_raw(*(drawing.reduced(steps, own) if smoothing else (NOTHING, NOTHING)))
        self._draw_untrained(float(own[0]) if self._line.untrained and steps[0] == 0 else None)
        edges = self._edges(series, steps, own)
        if edges is not None:
            smooth = (self._smoothers[f"{line.source} {side}"] for side in ("low", "high"))
            shown_edges = [one.of(edge, drawing.smoothing) for one, edge in zip(smooth, edges, strict=True)]
            self._draw_band(steps, shown_edges, drawing)

    def _forget(self) -> None:
        """What another run had here."""
        if self._filled:
            self._filled = False
            self._draw_untrained(None)
            self._draw_raw(NOTHING, NOTHING)
            self.marks = self._marks_at(NOTHING, NOTHING)
            self.curve.setData([], [])
            if self._edged:
                for item in (self.low, self.high):
                    item.setData([], [])
                self.area.updatePath()

    def _edges(
        self, series: Mapping[str, Series], steps: Floats, own: Floats
    ) -> tuple[Floats, Floats] | None:
        """The area around the line: its spread, or what lies between two other series."""
        line = self._line
        spread = series.get(line.band) if line.band else None
        if spread is not None and len(spread) == len(own):
            bounds = [arrays(one) for name in line.bounds if (one := series.get(name))]
            return band_edges(steps, own, arrays(spread)[1], bounds)
        ends = [arrays(one)[1] for name in line.between if (one := series.get(name)) and len(one) == len(own)]
        return (ends[0], ends[1]) if len(ends) == 2 else None

    def draw_area(
        self, series: Mapping[str, Series], drawing: Drawing, below: Floats | None
    ) -> Floats | None:
        """One share of a stack, on top of those before; returns what it reaches up to."""
        found = series.get(self._line.source)
        if found is None or not len(found):
            return below
        steps, own = arrays(found)
        own = self._smoothers[self._line.source].of(own, drawing.smoothing)
        floor = below if below is not None and len(below) == len(own) else np.zeros_like(own)
        self._draw_band(steps, [floor, floor + own], drawing)
        return floor + own

    def draw_ghost(self, series: Mapping[str, Series], drawing: Drawing) -> None:
        """Another run's values, faintly."""
        found = series.get(self._line.source)
        if found is None or not len(found):
            if self.ghost is not None:
                self.ghost.setData([], [])
            return
        steps, own = arrays(found)
        smoothing = 0.0 if self._line.points else drawing.smoothing
        smooth = self._smoothers[f"{self._line.source} ghost"].of(own, smoothing)
        places, shown = drawing.reduced(steps, smooth)
        grey = translucent(QColor(current_theme().tokens.secondary), GHOSTLY)
        pen = pg.mkPen(grey, width=1.0 if is_restless(shown) else 1.2)
        if self.ghost is None:
            self.ghost = self._area.add_line()
            self.ghost.setZValue(GHOST)
        self.ghost.setData(places, shown, pen=pen)

    def _draw_band(self, steps: Floats, edges: list[Floats], drawing: Drawing) -> None:
        # Every n-th point is enough for a soft band, and keeps both edges in step with each other.
        stride = max(1, len(steps) // (2 * drawing.buckets))
        places = drawing.across.place(steps[::stride].copy())
        for item, edge in zip((self.low, self.high), edges, strict=True):
            item.setData(places, edge[::stride].copy())
        self.area.updatePath()
        self._area.box.itemBoundsChanged(self.area)  # its edges are in no view that would look


def arrays(found: Series) -> tuple[Floats, Floats]:
    """Steps and values (N,) where they lie: whoever keeps one of them stops the series' growth."""
    return np.frombuffer(found.steps), np.frombuffer(found.values)


def is_restless(values: Floats) -> bool:
    """Whether a drawn curve (N,) goes up and down by more than MOST_HEIGHTS of its height."""
    known = values[np.isfinite(values)]
    if len(known) <= MOST_HEIGHTS:
        return False
    return float(np.abs(np.diff(known)).sum()) > MOST_HEIGHTS * float(np.ptp(known))


def translucent(color: QColor, alpha: float) -> QColor:
    """The colour, letting what lies below show through."""
    made = QColor(color)
    made.setAlphaF(alpha)
    return made
