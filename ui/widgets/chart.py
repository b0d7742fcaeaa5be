"""One chart: lines over steps with a spread band, points, a legend, hover values, zoom, and a summary in words.

A chart draws at most its width in points (min and max of each bucket), so that 100,000 steps cost what 300 do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QCoreApplication, QEvent, QPointF, Qt, Signal, Slot
from PySide6.QtGui import QColor, QMouseEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QSizePolicy, QWidget

from droid_tune import words
from droid_tune.metrics import describe
from droid_tune.runs.series import Series
from ui.theme import current_theme
from ui.widgets.axis_texts import roomy, round_ticks, tick_texts
from ui.widgets.basics import column, label, row
from ui.widgets.curves import Floats, band_edges, bucketed, smoothed, trend

pg.setConfigOptions(antialias=True)

#: thick antialiased pens are slow on long noisy curves
FEW_POINTS = 500
#: fewer are drawn as dots: a line of one point cannot be seen
LEAST_FOR_A_LINE = 3
#: values beside the cursor
MOST_TOLD = 4
#: a grid is there to read a value off, not to fill the plot
MOST_TICKS = 6


@dataclass(frozen=True)
class Line:
    """One curve. `points` draws markers as well (few, exact values); `band` names the series of its spread.

    `bounds` name the series of the least and the greatest value that occurred, which the band never leaves.
    """

    metric: str
    label: str
    points: bool = False
    band: str = ""
    bounds: tuple[str, str] = ("", "")
    key: str = ""  # of the series where it is not the metric's name (compared runs)

    @property
    def source(self) -> str:
        """The key of its series."""
        return self.key or self.metric


@dataclass(frozen=True)
class ChartSpec:
    """What a chart shows."""

    title: str
    lines: tuple[Line, ...]
    help: str = ""
    empty: str = "No values yet"


class _UnitAxis(pg.AxisItem):
    """Ticks in the metric's unit: shares in percent, bytes in MB."""

    unit = ""

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        return round_ticks(minVal, maxVal, min(MOST_TICKS, max(2, size / 28)))

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return tick_texts(values, spacing, self.unit)


class _StepAxis(pg.AxisItem):
    """Whole steps only."""

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        return round_ticks(minVal, maxVal, max(2, size / 55), least=1.0)

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [f"{value:,.0f}" if float(value).is_integer() else "" for value in values]


class _Box(pg.ViewBox):
    """Shows a constant in the middle of a range of its own size; pyqtgraph would show it from -0.5 to 0.5 around."""

    def childrenBounds(self, *args: Any, **options: Any) -> list[Any]:
        across, up = cast("list[Any]", super().childrenBounds(*args, **options))
        if across is not None and across[0] == across[1]:
            across = [across[0] - 1, across[1] + 1]
        return [across, list(roomy(*up)) if up is not None else None]


class _Plot(pg.PlotWidget):
    """Leaves the wheel to the page; Ctrl (Cmd) and wheel zooms, dragging marks a range, a double click shows all."""

    resized = Signal()

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
        cast(Any, self.getPlotItem()).enableAutoRange()


class Chart(QFrame):
    """A card with a title, the newest value and the plot."""

    def __init__(self, spec: ChartSpec, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(190)
        self.spec = spec
        self._series: Mapping[str, Series] = {}
        self._smoothing = 0.0
        self._drawn: tuple[object, ...] = ()
        self._legend: list[QLabel] = []
        self._curves: list[Any] = []
        self._buckets = 0
        layout = column(self, spacing=4)
        layout.setContentsMargins(12, 10, 10, 6)
        head = row(spacing=8)
        self._title = label(spec.title, "strong", parent=self)
        self._title.setToolTip(spec.help or describe(spec.lines[0].metric).help)
        self._value = label("", "small", parent=self)
        head.addWidget(self._title)
        head.addStretch(1)
        head.addWidget(self._value)
        layout.addLayout(head)
        self._legend_row = row(spacing=10)
        layout.addLayout(self._legend_row)
        self._plot = self._make_plot()
        layout.addWidget(self._plot, 1)
        self._empty = label(spec.empty, "small", parent=self)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(self._empty, 1)
        self.set_lines(spec.lines)
        current_theme().changed.connect(self._retint)

    # --- what it shows ------------------------------------------------------------------------------------------

    def set_lines(self, lines: tuple[Line, ...]) -> None:
        """Other curves in the same chart (reward parts appear with the first step)."""
        self.spec = ChartSpec(self.spec.title, lines, self.spec.help, self.spec.empty)
        self._axis.unit = describe(lines[0].metric).unit if lines else ""
        self._rebuild()

    def show_title(self, title: str) -> None:
        """Another title over the same curves."""
        self._title.setText(title)
        self.spec = ChartSpec(title, self.spec.lines, self.spec.help, self.spec.empty)

    def show_series(self, series: Mapping[str, Series], smoothing: float) -> None:
        """Draw what has changed."""
        mark = (
            smoothing,
            self.width(),
            *((len(series[n]), series[n].last) for n in self._names() if n in series),
        )
        if mark == self._drawn and series is self._series:
            return
        self._drawn, self._series, self._smoothing = mark, series, smoothing
        self._draw()

    def summary(self) -> str:
        """The chart in words, for VoiceOver and the table."""
        told = [
            said
            for line in self.spec.lines
            if (said := summary_of(line.label, line.metric, self._series.get(line.source)))
        ]
        return " ".join(told) or self.spec.empty + "."

    # --- making -------------------------------------------------------------------------------------------------

    def _make_plot(self) -> _Plot:
        self._axis = _UnitAxis("left")
        axes = {"left": self._axis, "bottom": _StepAxis("bottom")}
        plot = _Plot(self, viewBox=_Box(), axisItems=axes)
        plot.resized.connect(self._fit_width)
        plot.setFrameShape(QFrame.Shape.NoFrame)
        item = self._item = cast(Any, plot.getPlotItem())  # pyqtgraph has no stubs
        item.setMenuEnabled(False)
        item.hideButtons()
        item.getViewBox().setMouseMode(pg.ViewBox.RectMode)
        item.showGrid(x=False, y=True, alpha=0.16)
        item.getAxis("left").setWidth(52)
        item.getAxis("bottom").setHeight(20)
        for side in ("left", "bottom"):
            item.getAxis(side).setStyle(tickLength=0, tickTextOffset=6, autoExpandTextSpace=False)
            item.getAxis(side).setTickFont(self.font())
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self._cursor.hide()
        cast(Any, plot.scene()).sigMouseMoved.connect(self._hover)
        plot.setToolTip("Drag to zoom, double-click to show everything")
        return plot

    def _rebuild(self) -> None:
        """Curves and legend for the present lines and theme."""
        theme = current_theme()
        item = self._item
        item.clear()
        self._plot.setBackground(QColor(theme.tokens.surface))
        font = self.font()
        font.setPixelSize(11)
        for side in ("left", "bottom"):
            axis = item.getAxis(side)
            axis.setPen(pg.mkPen(theme.tokens.border if side == "bottom" else "#00000000"))
            axis.setTickPen(pg.mkPen(theme.tokens.secondary))
            axis.setTextPen(pg.mkPen(theme.tokens.secondary))
            axis.setTickFont(font)
        self._cursor.setPen(pg.mkPen(theme.tokens.tertiary, style=Qt.PenStyle.DashLine))
        item.addItem(self._cursor, ignoreBounds=True)
        self._curves = [self._make_curve(place, line) for place, line in enumerate(self.spec.lines)]
        self._drawn = ()
        self._make_legend()

    def _make_curve(self, place: int, line: Line) -> Any:
        color = QColor(self.color_of(place))
        item = self._item
        made: dict[str, Any] = {}
        if line.band:
            soft = QColor(color)
            soft.setAlphaF(0.16)
            made["low"], made["high"] = pg.PlotCurveItem(pen=None), pg.PlotCurveItem(pen=None)
            made["band"] = pg.FillBetweenItem(made["low"], made["high"], brush=soft)
            item.addItem(made["band"])
        made["curve"] = item.plot(skipFiniteCheck=True, symbolSize=7, symbolBrush=color, symbolPen=None)
        made["color"] = color
        return made

    def color_of(self, place: int) -> str:
        """The colour of a curve by its place, `#rrggbb`; colours repeat."""
        curves = current_theme().curves
        return curves[place % len(curves)]

    def _make_legend(self) -> None:
        for old in self._legend:
            self._legend_row.removeWidget(old)
            old.deleteLater()
        self._legend = []
        while self._legend_row.count():
            self._legend_row.takeAt(0)
        if len(self.spec.lines) < 2:
            return
        for place, line in enumerate(self.spec.lines[:6]):
            entry = QLabel(self)
            entry.setTextFormat(Qt.TextFormat.RichText)
            name = line.label.replace("&", "&amp;").replace("<", "&lt;")
            entry.setText(f'<span style="color:{self.color_of(place)}">●</span> {name}')
            entry.setProperty("role", "caption")
            self._legend.append(entry)
            self._legend_row.addWidget(entry)
        self._legend_row.addStretch(1)

    @Slot()
    def _retint(self) -> None:
        self._rebuild()
        self._draw()

    # --- drawing ------------------------------------------------------------------------------------------------

    def _names(self) -> list[str]:
        return [name for line in self.spec.lines for name in (line.source, line.band) if name]

    def _draw(self) -> None:
        present = [line for line in self.spec.lines if self._series.get(line.source)]
        self._buckets = self._wanted_buckets()
        self._plot.setVisible(bool(present))
        self._empty.setVisible(not present)
        for line, made in zip(self.spec.lines, self._curves, strict=True):
            found = self._series.get(line.source)
            if found is not None and len(found):
                self._draw_line(line, made, found)
        self._value.setText(self._newest(present))
        self.setAccessibleName(f"Chart: {self.spec.title}")
        self.setAccessibleDescription(self.summary())

    def _draw_line(self, line: Line, made: Any, found: Series) -> None:
        own = np.array(found.values)
        values = own if line.points else smoothed(own, self._smoothing)
        buckets = self._buckets
        every = np.array(found.steps)
        steps, shown = bucketed(every, values, buckets)
        # pyqtgraph's pens count the screen's own pixels
        width = (1.8 if len(shown) <= FEW_POINTS else 1.0) * self.devicePixelRatioF()
        dots = "o" if line.points or len(shown) < LEAST_FOR_A_LINE else None
        made["curve"].setData(steps, shown, pen=pg.mkPen(made["color"], width=width), symbol=dots)
        spread = self._series.get(line.band) if line.band else None
        if spread is not None and len(spread) == len(found):
            bounds = [self._series.get(name) for name in line.bounds if name]
            edges = band_edges(every, own, np.array(spread.values), [_arrays(one) for one in bounds if one])
            self._draw_band(made, every, [smoothed(edge, self._smoothing) for edge in edges], buckets)

    def _draw_band(self, made: Any, steps: Floats, edges: list[Floats], buckets: int) -> None:
        # Every n-th point is enough for a soft band, and keeps both edges in step with each other.
        stride = max(1, len(steps) // (2 * buckets))
        for name, edge in zip(("low", "high"), edges, strict=True):
            made[name].setData(steps[::stride], edge[::stride])

    def _wanted_buckets(self) -> int:
        return max(60, self._plot.width() // 2)

    @Slot()
    def _fit_width(self) -> None:
        """Another width has room for more of a long curve, or for less."""
        longest = max((len(self._series[name]) for name in self._names() if name in self._series), default=0)
        wanted = self._wanted_buckets()
        if wanted != self._buckets and longest > 2 * min(wanted, self._buckets):
            self._draw()

    def _newest(self, present: list[Line]) -> str:
        if not present:
            return ""
        line = present[0]
        return words.metric(line.metric, self._series[line.source].last)

    @Slot(object)
    def _hover(self, position: QPointF) -> None:
        box = self._item.getViewBox()
        present = [line for line in self.spec.lines if self._series.get(line.source)]
        if not present or not box.sceneBoundingRect().contains(position):
            self._leave()
            return
        x = box.mapSceneToView(position).x()
        near = [point[0] for line in present if (point := self._series[line.source].at(x)) is not None]
        step = min(near, key=lambda found: abs(found - x))
        self._cursor.setPos(step)
        self._cursor.show()
        self._value.setText(self.told_at(step))

    def told_at(self, step: float) -> str:
        """The values of this very step: `step 27 · Reward 0.8`; a curve without a value there is not named."""
        present = [line for line in self.spec.lines if self._series.get(line.source)]
        told = [f"step {step:,.0f}"]
        for line in present:
            point = self._series[line.source].at(step)
            if point is not None and point[0] == step and len(told) <= MOST_TOLD:
                prefix = f"{line.label} " if len(present) > 1 else ""
                told.append(prefix + words.metric(line.metric, point[1]))
        return " · ".join(told)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._leave()

    def _leave(self) -> None:
        self._cursor.hide()
        self._value.setText(self._newest([line for line in self.spec.lines if self._series.get(line.source)]))


def _arrays(found: Series) -> tuple[Floats, Floats]:
    return np.array(found.steps), np.array(found.values)


def summary_of(name: str, metric: str, found: Series | None) -> str:
    """One curve in a sentence: where it is, between what, and which way it goes."""
    if found is None or not len(found):
        return ""
    values = np.array(found.values)
    return (
        f"{name}: {words.metric(metric, found.last)} at step {found.steps[-1]:.0f}, "
        f"between {words.metric(metric, float(values.min()))} and {words.metric(metric, float(values.max()))}, "
        f"{trend(values)}."
    )
