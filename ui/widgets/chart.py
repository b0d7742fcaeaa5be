"""One chart: lines over steps with a spread band, points, a legend, hover values, zoom, and a summary in words.

A chart draws at most its width in points (min and max of each bucket), so that 100,000 steps cost what 300 do.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import replace

from PySide6.QtCore import QPoint, Qt, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QMenu, QSizePolicy, QWidget

from droid_tune.metrics import describe
from droid_tune.runs.series import Series
from ui.theme import current_theme
from ui.widgets.basics import column, label
from ui.widgets.charting.chart_content import ChartContent
from ui.widgets.charting.chart_head import ChartHead
from ui.widgets.charting.chart_pointing import ChartPointing
from ui.widgets.charting.chart_spec import ChartSpec, Line
from ui.widgets.charting.curve_items import Drawing
from ui.widgets.charting.curve_plot import CurvePlot
from ui.widgets.charting.curve_set import CurveSet, colors_of, legend_of
from ui.widgets.charting.run_marks import LINED, MOST_LINES, MarkStrip, RunMark
from ui.widgets.charting.said_summary import SaidSummary
from ui.widgets.charting.scale_across import ScaleAcross
from ui.widgets.charting.step_cursor import StepCursor
from ui.widgets.charting.values_sheet import ValuesSheet

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
        self.content = ChartContent(spec.lines)
        self._smoothing = 0.0
        self._ghost = ChartContent(spec.lines)
        self._marks: tuple[RunMark, ...] = ()
        self._drawn: tuple[object, ...] = ()
        self._stale = False  # of another theme
        self._buckets = 0
        layout = column(self, spacing=4)
        layout.setContentsMargins(12, 10, 10, 6)
        self._head = ChartHead(spec.title, spec.help or describe(spec.lines[0].metric).help, self)
        layout.addWidget(self._head)
        self._plot = CurvePlot(self)
        self._curves = CurveSet(self._plot.area, spec)
        layout.addWidget(self._plot, 1)
        self._strip = MarkStrip(self._pixels_of, self)
        layout.addWidget(self._strip)
        self._empty = label(spec.empty, "small", parent=self)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(self._empty, 1)
        self._pointing = ChartPointing(self._plot, cursor or StepCursor(self), self._shown, self)
        self._pointing.looked_at.connect(self._show_values_at)
        self._said = SaidSummary(self._tell_summary, self)
        self._plot.resized.connect(self._fit_width)
        self._plot.told.connect(self.open_values)
        self._plot.menu_wanted.connect(self._open_menu)
        self._plot.box.sigXRangeChanged.connect(self._range_moved)
        self.set_lines(spec.lines)
        self._tell_title()
        self._tell_summary()  # before its first value too
        current_theme().changed.connect(self._retint)

    def _shown(self) -> ChartContent:
        return self.content

    # --- what it shows ------------------------------------------------------------------------------------------

    def set_lines(self, lines: tuple[Line, ...]) -> None:
        """Other curves in the same chart (reward parts appear with the first step)."""
        self.spec = replace(self.spec, lines=lines)
        self.content.lines = self._ghost.lines = lines
        self._plot.show_unit(describe(lines[0].metric).unit if lines else "")
        self._rebuild()

    def show_title(self, title: str) -> None:
        """Another title over the same curves."""
        self._head.title.setText(title)
        self.spec = replace(self.spec, title=title)
        self._tell_title()

    def show_marks(self, marks: tuple[RunMark, ...]) -> None:
        """Signs below the plot, and lines through it for what changed the run."""
        if marks == self._marks:
            return
        self._marks = marks
        self._show_strip()
        self._draw_mark_lines()

    def show_ghost(self, series: Mapping[str, Series], across: ScaleAcross) -> None:
        """Another run's curves, faintly; {} takes them away."""
        if series is not self._ghost.series or across != self._ghost.across:
            self._ghost = ChartContent(self.spec.lines, series, across)
            self._drawn = ()

    def show_series(
        self, series: Mapping[str, Series], smoothing: float, across: ScaleAcross | None = None
    ) -> None:
        """Draw what has changed."""
        shown, scale = self.content, across or ScaleAcross()
        other, known = scale != shown.across, series is shown.series
        shown.series, shown.across = series, scale
        if other:
            self._plot.show_across(scale)
            self._draw_mark_lines()
        mark = (smoothing, scale, self.width(), *((len(found), found.last) for found in shown.found()))
        if mark != self._drawn or not known:
            self._drawn, self._smoothing = mark, smoothing
            self._draw()

    def summary(self) -> str:
        """The chart in words, for VoiceOver and the table."""
        return self.content.summary() or self.spec.empty + "."

    def follow(self, before: QWidget) -> None:
        """Tab comes to it from there."""
        QWidget.setTabOrder(before, self._plot)

    def told_at(self, step: float) -> str:
        """The values at a step in words: `step 27 · Reward 0.8`."""
        return self.content.told_at(step)

    @Slot()
    def open_values(self) -> None:
        """Its values as a table, in a sheet."""
        shown = self.content
        ValuesSheet(self.spec.title, shown.lines, shown.series, shown.across, self).open()

    @Slot(QPoint)
    def _open_menu(self, where: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Values as a Table", self.open_values)
        menu.addAction("Show Everything", self._pointing.show_all)
        menu.popup(where)

    # --- making -------------------------------------------------------------------------------------------------

    def _rebuild(self) -> None:
        """Curves and legend for the present lines and theme."""
        self._plot.dress()
        self._draw_mark_lines()
        self._curves.renew(self.spec)
        self._head.show_legend(legend_of(self.spec, self._curves.items, self.content.series))
        self._drawn = ()

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

    def _draw(self) -> None:
        shown, present = self.content, self.content.present
        self._buckets = self._wanted_buckets()
        self._plot.setVisible(present)
        self._empty.setVisible(not present)
        drawing = Drawing(self._smoothing, shown.across, self._buckets, self.devicePixelRatioF())
        self._curves.draw(shown, self._ghost, drawing)
        self._plot.settle()
        self._head.show_legend(legend_of(self.spec, self._curves.items, self.content.series))
        self._pointing.look()
        self._said.change()
        self._show_strip()
        self._strip.update()

    def _show_strip(self) -> None:
        """Signs stand below a plot: without one they would hang below the title."""
        self._strip.show_marks(self._marks if self.content.present else ())

    def _tell_title(self) -> None:
        """The plot has the keyboard, so it is the one that is read out when it gets it."""
        self.setAccessibleName(f"Chart: {self.spec.title}")
        self._plot.setAccessibleName(f"Plot: {self.spec.title}")

    def _tell_summary(self) -> None:
        said = self.summary()
        self.setAccessibleDescription(said)
        self._plot.setAccessibleDescription(f"{said} {PLOT_KEYS}")

    def _draw_mark_lines(self) -> None:
        lined = [mark for mark in self._marks if mark.kind in LINED][-MOST_LINES:]
        places = self.content.places_of([mark.step for mark in lined])
        self._plot.draw_lines([(place, mark.kind) for place, mark in zip(places, lined, strict=True)])

    def _wanted_buckets(self) -> int:
        return max(60, self._plot.width() // 2)

    @Slot()
    def _fit_width(self) -> None:
        """Another width has room for more of a long curve, or for less."""
        longest = max((len(found) for found in self.content.found()), default=0)
        wanted = self._wanted_buckets()
        if wanted != self._buckets and longest > 2 * min(wanted, self._buckets):
            self._draw()

    @Slot(object)
    def _show_values_at(self, step: float | None) -> None:
        told = self.content.newest(colors_of(self.spec)) if step is None else html.escape(self.told_at(step))
        self._head.value.setText(told)

    def _pixels_of(self, steps: Sequence[float]) -> list[float | None]:
        """Where steps stand on the strip of marks; None for those out of sight."""
        return self._plot.pixels_of(self.content.places_of(steps), self._strip)

    @Slot()
    def _range_moved(self) -> None:
        self._strip.update()
