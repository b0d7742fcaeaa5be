"""One chart: lines over steps with a spread band, points, a legend, hover values, zoom, and a summary in words.

A chart draws at most its width in points (min and max of each bucket), so that 100,000 steps cost what 300 do.
"""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPoint, QPointF, Qt, Slot
from PySide6.QtGui import QColor, QShowEvent
from PySide6.QtWidgets import QFrame, QLabel, QMenu, QSizePolicy, QWidget

from droid_tune.metrics import describe
from droid_tune.runs.series import Series
from ui.theme import current_theme
from ui.widgets.basics import column, label, row
from ui.widgets.charting.chart_spec import ChartSpec, Line
from ui.widgets.charting.chart_words import newest_of, summary_of, told_at
from ui.widgets.charting.curve_items import DASHES, CurveItems, Drawing, translucent
from ui.widgets.charting.plot_parts import Box, Plot, StepAxis, UnitAxis
from ui.widgets.charting.run_marks import COLORS, LINED, MOST_LINES, MarkStrip, RunMark
from ui.widgets.charting.scale_across import ScaleAcross
from ui.widgets.charting.step_cursor import StepCursor
from ui.widgets.charting.values_sheet import ValuesSheet
from ui.widgets.curves import Floats, Smoother

pg.setConfigOptions(antialias=True)

#: what VoiceOver adds to the values of a plot
PLOT_KEYS = "Left and right go from step to step, Return opens the values as a table."


class Chart(QFrame):
    """A card with a title, the newest value and the plot. With a `cursor` it shares the step that is looked at."""

    def __init__(self, spec: ChartSpec, parent: QWidget, cursor: StepCursor | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(190)
        self.spec = spec
        self._series: Mapping[str, Series] = {}
        self._smoothing = 0.0
        self._across = ScaleAcross()
        self._ghost: Mapping[str, Series] = {}
        self._ghost_across = ScaleAcross()
        self._marks: tuple[RunMark, ...] = ()
        self._mark_lines: list[Any] = []
        self._steps = cursor or StepCursor(self)
        self._drawn: tuple[object, ...] = ()
        self._legend: list[QLabel] = []
        self._curves: list[CurveItems] = []
        self._smoothers: defaultdict[str, Smoother] = defaultdict(Smoother)  # by what is smoothed
        self._stale = False  # of another theme
        self._buckets = 0
        layout = column(self, spacing=4)
        layout.setContentsMargins(12, 10, 10, 6)
        head = row(spacing=8)
        self._title = label(spec.title, "strong", parent=self)
        self._title.setToolTip(spec.help or describe(spec.lines[0].metric).help)
        self._value = label("", "small", parent=self)
        self._value.setTextFormat(Qt.TextFormat.RichText)
        head.addWidget(self._title)
        head.addStretch(1)
        head.addWidget(self._value)
        layout.addLayout(head)
        self._legend_row = row(spacing=10)
        layout.addLayout(self._legend_row)
        self._plot = self._make_plot()
        layout.addWidget(self._plot, 1)
        self._strip = MarkStrip(self._pixels_of, self)
        layout.addWidget(self._strip)
        self._empty = label(spec.empty, "small", parent=self)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(self._empty, 1)
        self.set_lines(spec.lines)
        self._tell_accessibility()  # before its first value too
        self._steps.pointed.connect(self._follow_pointer)
        self._steps.chosen.connect(self._follow_chosen)
        self._steps.range_chosen.connect(self._follow_range)
        current_theme().changed.connect(self._retint)

    # --- what it shows ------------------------------------------------------------------------------------------

    def set_lines(self, lines: tuple[Line, ...]) -> None:
        """Other curves in the same chart (reward parts appear with the first step)."""
        self.spec = replace(self.spec, lines=lines)
        self._axis.unit = describe(lines[0].metric).unit if lines else ""
        self._box.within = (0.0, 1.0) if self._axis.unit == "share" else None
        self._rebuild()

    def show_title(self, title: str) -> None:
        """Another title over the same curves."""
        self._title.setText(title)
        self.spec = replace(self.spec, title=title)
        self._tell_accessibility()

    def show_marks(self, marks: tuple[RunMark, ...]) -> None:
        """Signs below the plot, and lines through it for what changed the run."""
        if marks == self._marks:
            return
        self._marks = marks
        self._strip.show_marks(marks)
        self._draw_mark_lines()

    def show_ghost(self, series: Mapping[str, Series], across: ScaleAcross) -> None:
        """Another run's curves, faintly; {} takes them away."""
        if series is not self._ghost or across != self._ghost_across:
            self._ghost, self._ghost_across = series, across
            self._drawn = ()

    def show_series(
        self, series: Mapping[str, Series], smoothing: float, across: ScaleAcross | None = None
    ) -> None:
        """Draw what has changed."""
        scale = across or ScaleAcross()
        if scale != self._across:
            self._across = self._bottom.across = scale
            self._draw_mark_lines()
        mark = (
            smoothing,
            self._across,
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
            if (said := summary_of(line.label, line.metric, self._series.get(line.source), self._across))
        ]
        return " ".join(told) or self.spec.empty + "."

    @Slot()
    def open_values(self) -> None:
        """Its values as a table, in a sheet."""
        ValuesSheet(self.spec.title, self.spec.lines, self._series, self._across, self).open()

    @Slot(QPoint)
    def _open_menu(self, where: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Values as a Table", self.open_values)
        menu.addAction("Show Everything", self._show_all)
        menu.popup(where)

    # --- making -------------------------------------------------------------------------------------------------

    def _make_plot(self) -> Plot:
        self._axis = UnitAxis("left")
        self._bottom = StepAxis("bottom")
        self._box = Box(enableMenu=False)  # a menu that nobody sees takes longer to build than the plot
        plot = Plot(self, viewBox=self._box, axisItems={"left": self._axis, "bottom": self._bottom})
        plot.resized.connect(self._fit_width)
        plot.left.connect(self._unpoint)
        plot.shows_all.connect(self._show_all)
        plot.stepped.connect(self._step_by)
        plot.told.connect(self.open_values)
        plot.menu_wanted.connect(self._open_menu)
        self._box.marked.connect(self._mark_range)
        self._box.sigXRangeChanged.connect(self._range_moved)
        plot.setFrameShape(QFrame.Shape.NoFrame)
        item = self._item = cast(Any, plot.getPlotItem())  # pyqtgraph has no stubs
        item.setMenuEnabled(False)
        item.hideButtons()
        self._box.setMouseMode(pg.ViewBox.RectMode)
        self._box.setAutoVisible(y=True)
        item.showGrid(x=False, y=True, alpha=0.16)
        item.getAxis("left").setWidth(52)
        item.getAxis("bottom").setHeight(20)
        for side in ("left", "bottom"):
            item.getAxis(side).setStyle(tickLength=0, tickTextOffset=6, autoExpandTextSpace=False)
            item.getAxis(side).setTickFont(self.font())
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self._cursor.hide()
        cast(Any, plot.scene()).sigMouseMoved.connect(self._hover)
        cast(Any, plot.scene()).sigMouseClicked.connect(self._click)
        plot.setToolTip("Click for the completions of a step, drag for a range, double-click for everything")
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
        self._cursor.setPen(pg.mkPen(theme.tokens.secondary, style=Qt.PenStyle.DashLine))
        item.addItem(self._cursor, ignoreBounds=True)
        self._mark_lines = []
        self._draw_mark_lines()
        self._curves = [
            CurveItems(
                item,
                line,
                QColor(self.color_of(place)),
                self._smoothers,
                stacked=self.spec.stacked,
                dash=DASHES[place % len(DASHES)][0],
            )
            for place, line in enumerate(self.spec.lines)
        ]
        self._drawn = ()
        self._make_legend()

    def color_of(self, place: int) -> str:
        """The colour of a curve by its place, `#rrggbb`; colours repeat."""
        tone = self.spec.lines[place].tone
        curves = current_theme().curves
        return current_theme().color(tone).name() if tone else curves[place % len(curves)]

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
            sign = "■" if self.spec.stacked else DASHES[place % len(DASHES)][1]
            entry.setText(f'<span style="color:{self.color_of(place)}">{sign}</span> {name}')
            entry.setProperty("role", "caption")
            self._legend.append(entry)
            self._legend_row.addWidget(entry)
        self._legend_row.addStretch(1)

    @Slot()
    def _retint(self) -> None:
        """In the theme's colours; a chart that nobody sees takes them when it is shown."""
        self._stale = not self.isVisible()
        if not self._stale:
            self._rebuild()
            self._draw()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._stale:
            self._retint()

    # --- drawing ------------------------------------------------------------------------------------------------

    def _names(self) -> list[str]:
        return [name for line in self.spec.lines for name in (line.source, line.band, *line.between) if name]

    def _draw(self) -> None:
        present = [line for line in self.spec.lines if self._series.get(line.source)]
        self._buckets = self._wanted_buckets()
        self._plot.setVisible(bool(present))
        self._empty.setVisible(not present)
        drawing = Drawing(self._smoothing, self._across, self._buckets, self.devicePixelRatioF())
        below: Floats | None = None
        for curve in self._curves:
            if self.spec.stacked:
                below = curve.draw_area(self._series, drawing, below)
            else:
                curve.draw(self._series, drawing)
                curve.draw_ghost(self._ghost, replace(drawing, across=self._ghost_across))
        self._follow_chosen(self._steps.step)
        self._tell_accessibility()
        self._strip.update()

    def _tell_accessibility(self) -> None:
        """The plot has the keyboard, so it is the one that is read out when it gets it."""
        said = self.summary()
        for part, name in ((self, f"Chart: {self.spec.title}"), (self._plot, f"Plot: {self.spec.title}")):
            part.setAccessibleName(name)
        self.setAccessibleDescription(said)
        self._plot.setAccessibleDescription(f"{said} {PLOT_KEYS}")

    def _draw_mark_lines(self) -> None:
        for old in self._mark_lines:
            self._item.removeItem(old)
        self._mark_lines = []
        for mark in [mark for mark in self._marks if mark.kind in LINED][-MOST_LINES:]:
            color = translucent(current_theme().color(COLORS[mark.kind]), 0.6)
            style = Qt.PenStyle.DotLine if mark.kind == "best" else Qt.PenStyle.DashDotLine
            made = pg.InfiniteLine(
                self._place_of(mark.step), angle=90, pen=pg.mkPen(color, width=1, style=style)
            )
            self._item.addItem(made, ignoreBounds=True)
            self._mark_lines.append(made)

    def _wanted_buckets(self) -> int:
        return max(60, self._plot.width() // 2)

    @Slot()
    def _fit_width(self) -> None:
        """Another width has room for more of a long curve, or for less."""
        longest = max((len(self._series[name]) for name in self._names() if name in self._series), default=0)
        wanted = self._wanted_buckets()
        if wanted != self._buckets and longest > 2 * min(wanted, self._buckets):
            self._draw()

    # --- the step that is looked at -----------------------------------------------------------------------------

    def _place_of(self, step: float) -> float:
        return float(self._across.place(np.array([float(step)]))[0])

    def _pixels_of(self, steps: Sequence[float]) -> list[float | None]:
        """Where steps stand on the strip of marks; None for those out of sight."""
        low, high = self._box.viewRange()[0]
        if high <= low:
            return [None] * len(steps)
        box = self._box.sceneBoundingRect()
        left = self._plot.mapTo(self, self._plot.mapFromScene(box.topLeft())).x() - self._strip.x()
        shares = (self._across.place(np.array(steps, dtype=float)) - low) / (high - low)
        return [left + share * box.width() if 0 <= share <= 1 else None for share in shares.tolist()]

    def _nearest(self, place: float) -> float | None:
        """The step with a value that is nearest to a place across."""
        x = self._across.step(place)
        near = [
            point[0]
            for line in self.spec.lines
            if (found := self._series.get(line.source)) and (point := found.at(x)) is not None
        ]
        return min(near, key=lambda found: abs(found - x)) if near else None

    @Slot(object)
    def _hover(self, position: QPointF) -> None:
        inside = self._box.sceneBoundingRect().contains(position)
        self._steps.point(self._nearest(self._box.mapSceneToView(position).x()) if inside else None)

    @Slot()
    def _unpoint(self) -> None:
        self._steps.point(None)

    @Slot(object)
    def _click(self, event: Any) -> None:
        step = self._nearest(self._box.mapSceneToView(event.scenePos()).x())
        if step is not None and not event.double():
            self._steps.choose(int(step))

    @Slot(int)
    def _step_by(self, direction: int) -> None:
        """The step before or behind the chosen one, by the arrow keys; from the newest on."""
        steps = sorted({step for line in self.spec.lines for step in self._steps_of(line)})
        if not steps:
            return
        at = self._steps.step if self._steps.step is not None else steps[-1]
        beyond = [step for step in steps if (step > at if direction > 0 else step < at)]
        if beyond:
            self._steps.choose(int(beyond[0] if direction > 0 else beyond[-1]))

    def _steps_of(self, line: Line) -> Sequence[float]:
        found = self._series.get(line.source)
        return found.steps if found is not None else ()

    @Slot(float, float)
    def _mark_range(self, left: float, right: float) -> None:
        first, last = (round(self._across.step(place)) for place in (left, right))
        self._steps.choose_range((max(0, first), max(first + 1, last)))

    @Slot()
    def _show_all(self) -> None:
        self._steps.choose_range(None)

    @Slot(object)
    def _follow_pointer(self, step: float | None) -> None:
        if step is None:
            self._follow_chosen(self._steps.step)
            return
        self._show_cursor(step)

    @Slot(object)
    def _follow_chosen(self, step: int | None) -> None:
        if step is None:
            self._cursor.hide()
            colors = [self.color_of(place) for place in range(len(self.spec.lines))]
            self._value.setText(newest_of(self.spec.lines, self._series, colors))
            return
        self._show_cursor(step)

    def _show_cursor(self, step: float) -> None:
        self._cursor.setPos(self._place_of(step))
        self._cursor.show()
        self._value.setText(html.escape(self.told_at(step)))

    @Slot(object)
    def _follow_range(self, ends: tuple[int, int] | None) -> None:
        if ends is None:
            self._item.enableAutoRange()
            return
        self._box.setXRange(*(self._place_of(end) for end in ends), padding=0.02)
        self._box.enableAutoRange(axis=pg.ViewBox.YAxis)

    @Slot()
    def _range_moved(self) -> None:
        self._strip.update()

    def told_at(self, step: float) -> str:
        """The values at a step in words: `step 27 · Reward 0.8`."""
        return told_at(self.spec.lines, self._series, step, self._across)
