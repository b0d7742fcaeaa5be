"""The curves of several runs, a chart for each metric, over steps, tokens or time on shared axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from PySide6.QtCore import Slot
from PySide6.QtWidgets import QGridLayout, QWidget

from droid_tune.metrics import describe
from droid_tune.report.comparing import ComparedRun
from droid_tune.runs.series import Series
from ui.widgets.basics import column, row, scrolling
from ui.widgets.chart import Chart, ChartSpec, Line
from ui.widgets.charting.run_metrics import COMPARED
from ui.widgets.charting.scale_across import ACROSS, SMOOTHINGS, Across, ScaleAcross
from ui.widgets.charting.step_cursor import StepCursor
from ui.widgets.one_by_one import OneByOne
from ui.widgets.segmented import Segmented

#: what the runs are called where a name has no room
LETTERS = "ABCD"
#: charts beside each other, and their least height in pixels
COLUMNS_BESIDE, HEIGHT = 2, 220


class ComparedCurves(QWidget):
    """One cursor over all charts; what none of the runs tells has no chart."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._runs: Sequence[ComparedRun] = ()
        self._cursor = StepCursor(self)
        self.charts: dict[str, Chart] = {}
        self._drawing = OneByOne(self)
        lines = column(self, spacing=10)
        bar = row(spacing=10)
        self.across = Segmented(ACROSS, self, "Over")
        self.across.chosen.connect(self._draw_anew)
        self.smoothing = Segmented(SMOOTHINGS, self, "Smoothing")
        self.smoothing.chosen.connect(self._draw)
        bar.addWidget(self.across)
        bar.addStretch(1)
        bar.addWidget(self.smoothing)
        lines.addLayout(bar)
        board = QWidget(self)
        self._grid = QGridLayout(board)
        self._grid.setContentsMargins(0, 0, 6, 0)
        self._grid.setSpacing(12)
        lines.addWidget(scrolling(board, self), 1)

    def show_runs(self, runs: Sequence[ComparedRun]) -> int:
        """Make a chart for every metric that one of them tells, one by one; how many they are.

        The runs are called by their letters.
        """
        self._runs = runs
        told = [name for name in COMPARED if any(len(run.state.series.get(name, ())) for run in runs)]
        for place in range(COLUMNS_BESIDE):
            self._grid.setColumnStretch(place, 1)
        for place in range(
            math.ceil(len(told) / COLUMNS_BESIDE)
        ):  # so that no chart moves when another one comes
            self._grid.setRowMinimumHeight(place, HEIGHT)
            self._grid.setRowStretch(place, 1)
        self._drawing.renew({metric: partial(self._make, metric) for metric in told})
        return len(told)

    def _make(self, metric: str) -> None:
        known, place = describe(metric), len(self.charts)
        lines = tuple(
            self._line(metric, run, letter) for run, letter in zip(self._runs, LETTERS, strict=False)
        )
        chart = self.charts[metric] = Chart(ChartSpec(known.label, lines, known.help), self, self._cursor)
        chart.setMinimumHeight(HEIGHT)
        chart.hide()  # until it is drawn, which is for another turn
        self._grid.addWidget(chart, place // COLUMNS_BESIDE, place % COLUMNS_BESIDE)
        self._draw_soon(metric)

    def _line(self, metric: str, run: ComparedRun, name: str) -> Line:
        return Line(metric, name, points=metric.startswith("eval/"), key=run.summary.id, near=True)

    @Slot()
    def _draw_anew(self) -> None:
        """Over something else the same place means another thing."""
        self._cursor.forget()
        self._draw()

    @Slot()
    def _draw(self) -> None:
        """All that are made; those that are still to be made are drawn as it is then."""
        for metric in self.charts:
            self._draw_soon(metric)

    def _draw_soon(self, metric: str) -> None:
        self._drawing.add(("drawn", metric), partial(self._draw_one, metric))

    def _draw_one(self, metric: str) -> None:
        kind: Across = next(key for key, _ in ACROSS if key == self.across.key)
        found = {
            run.summary.id: placed(run.state.series[metric], ScaleAcross.of(run.state, kind))
            for run in self._runs
            if metric in run.state.series
        }
        self.charts[metric].show_series(found, float(self.smoothing.key), ScaleAcross(kind))
        self.charts[metric].show()


def placed(series: Series, across: ScaleAcross) -> Series:
    """The same values with places across in place of their steps: runs have clocks of their own."""
    found = Series()
    places = across.place(np.array(series.steps))
    found.steps.extend(places.tolist())
    found.values.extend(series.values)
    return found
