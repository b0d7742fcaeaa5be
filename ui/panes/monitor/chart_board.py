"""The charts of a run in a grid, a section at a time; what is not seen is neither made nor drawn.

A chart takes some 50 ms to make and some 15 to draw: one is done at a time, with whatever else the window has to do between
two.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial

from PySide6.QtWidgets import QFrame, QGridLayout, QWidget

from droid_tune.events import Completion
from droid_tune.metrics import describe
from droid_tune.runs.state import RunState
from ui.panes.monitor.chart_specs import REWARD_PARTS, sections_of
from ui.widgets.basics import frame
from ui.widgets.chart import Chart, Line
from ui.widgets.charting.chart_spec import ChartSpec
from ui.widgets.charting.run_marks import marks_of
from ui.widgets.charting.scale_across import Across, ScaleAcross
from ui.widgets.charting.scatter import MOST_DOTS, ScatterChart
from ui.widgets.charting.step_cursor import StepCursor
from ui.widgets.one_by_one import OneByOne, Step

#: pixels from which on two and three charts stand beside each other
TWO, THREE = 620, 1150
#: pixels beyond which a chart is not higher, however high the window is
HIGHEST = 420
#: the section that a run is first shown in
FIRST = "learning"


class ChartBoard(QWidget):
    """Draws a run's series; all charts share the cursor."""

    def __init__(self, cursor: StepCursor, parent: QWidget) -> None:
        super().__init__(parent)
        self._cursor = cursor
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(12)
        self._method = ""
        self._sections: dict[str, list[Chart]] = {}
        self._scatters: list[ScatterChart] = []
        self._section = FIRST
        self._parts: list[str] = []
        self._columns = 0
        self._ahead: list[Chart] = []
        self._ahead_of = ""  # the method that they are for
        #: of each section what is still to be made, with what keeps its place
        self._missing: dict[str, list[tuple[ChartSpec, QFrame]]] = {}
        self._drawing = OneByOne(self)
        self._draw: Callable[[Chart], None] = _nothing  # as it was drawn last

    def prepare(self, method: str) -> bool:
        """Make one more of the charts that a run of this method begins with, ahead of it; whether one is still to be made."""
        specs = sections_of(method)[FIRST]
        if method != self._ahead_of:
            self._drop_ahead(method)
        if self._method == method or len(self._ahead) >= len(specs):
            return False
        made = Chart(specs[len(self._ahead)], self, self._cursor)
        made.hide()
        self._ahead.append(made)
        return len(self._ahead) < len(specs)

    def _drop_ahead(self, method: str) -> None:
        for made in self._ahead:
            made.deleteLater()
        self._ahead, self._ahead_of = [], method

    @property
    def charts(self) -> list[Chart]:
        """The charts of the section that is shown, those that are made."""
        return self._sections.get(self._section, [])

    @property
    def busy(self) -> bool:
        """Whether a chart is still to be made or drawn."""
        return self._drawing.busy

    def show_state(
        self, state: RunState, section: str, smoothing: float, across: Across, ghost: RunState | None
    ) -> None:
        """Draw what changed of a run in one section, with another run faintly behind it."""
        self._fit(state, section)
        scale, marks = ScaleAcross.of(state, across), marks_of(state)
        beside = ({}, ScaleAcross()) if ghost is None else (ghost.series, ScaleAcross.of(ghost, across))

        def draw(chart: Chart) -> None:
            chart.show_ghost(*beside)
            chart.show_series(state.series, smoothing, scale)
            chart.show_marks(marks)
            chart.show()

        self._draw = draw
        steps: dict[Hashable, Step] = {chart.spec.title: partial(draw, chart) for chart in self.charts}
        steps |= {
            spec.title: partial(self._make_next, self._section) for spec, _ in self._missing[self._section]
        }
        self._drawing.renew(steps)
        if section == "rewards":
            self._show_scatters(state)

    def arrange(self, width: int) -> None:
        """As many charts beside each other as the width has room for."""
        columns = 3 if width >= THREE else 2 if width >= TWO else 1
        if columns != self._columns:
            self._columns = columns
            self._place()

    # --- making -------------------------------------------------------------------------------------------------

    def _fit(self, state: RunState, section: str) -> None:
        """The charts of the method and section, made when they are first looked at."""
        method = state.method or self._method  # a run that has just begun has not told its own yet
        if method != self._method:
            self._method, self._parts = method, []
            for old in self._widgets():
                self._grid.removeWidget(old)
                old.deleteLater()
            self._sections, self._scatters, self._missing = {}, [], {}
            self._drawing.begin(())
        specs = sections_of(method)
        wanted = section if section in specs else FIRST
        if wanted not in self._sections:
            first, *rest = specs[wanted]
            self._sections[wanted] = [self._taken(wanted, first)]
            self._missing[wanted] = [(spec, frame("card", self)) for spec in rest]
            if wanted == "rewards":
                self._scatters = self._make_scatters()
            self._section = ""
        if wanted != self._section:
            self._section = wanted
            self._place()
        self._fit_parts(state)

    def _make_next(self, section: str) -> None:
        """One more chart of the section, in its place; it is drawn and shown in another turn."""
        spec, blank = self._missing[section].pop(0)
        made = self._taken(section, spec)
        self._sections[section].append(made)
        columns, place = max(1, self._columns), len(self.charts) - 1
        self._grid.removeWidget(blank)
        blank.deleteLater()
        made.setMaximumHeight(HIGHEST)
        self._grid.addWidget(made, place // columns, place % columns)
        if self._parts:
            self._give_parts(made)
        made.hide()
        self._drawing.add(spec.title, partial(self._draw, made))

    def _taken(self, section: str, spec: ChartSpec) -> Chart:
        """The chart that was made ahead, in their order, or a new one."""
        if section == FIRST and self._ahead and self._ahead_of == self._method:
            return self._ahead.pop(0)
        return Chart(spec, self, self._cursor)

    def _make_scatters(self) -> list[ScatterChart]:
        return [
            ScatterChart(
                "Length against reward", "Each dot is a completion: does length pay by itself?", self
            ),
            ScatterChart("Reward part against part", "Do two rewards pull the same way?", self),
        ]

    def _fit_parts(self, state: RunState) -> None:
        parts = state.reward_names()
        if not parts or parts == self._parts:
            return
        self._parts = parts
        for chart in (one for charts in self._sections.values() for one in charts):
            self._give_parts(chart)

    def _give_parts(self, chart: Chart) -> None:
        """A curve for each reward, in the chart that has one for each."""
        if chart.spec.title == REWARD_PARTS.title:
            names = [f"rewards/{name}/mean" for name in self._parts]
            chart.set_lines(tuple(Line(name, describe(name).label) for name in names))

    def _widgets(self) -> list[QFrame]:
        charts = (chart for charts in self._sections.values() for chart in charts)
        blanks = (blank for missing in self._missing.values() for _, blank in missing)
        return [*charts, *blanks, *self._scatters]

    def _place(self) -> None:
        blanks = [blank for _, blank in self._missing.get(self._section, [])]
        scatters = self._scatters if self._section == "rewards" else []
        shown: list[QFrame] = [*self.charts, *blanks, *scatters]
        for widget in self._widgets():
            self._grid.removeWidget(widget)
            widget.setVisible(widget in shown)
        columns = max(1, self._columns)
        for place, widget in enumerate(shown):
            widget.setMaximumHeight(HIGHEST)
            self._grid.addWidget(widget, place // columns, place % columns)
        for place in range(3):
            self._grid.setColumnStretch(place, 1 if place < columns else 0)

    # --- dots ---------------------------------------------------------------------------------------------------

    def _show_scatters(self, state: RunState) -> None:
        found, note = recent_completions(state, self._cursor.step)
        lengths, parts = self._scatters
        lengths.show_points(
            [(float(one.length), one.reward) for one in found if one.reward is not None],
            "Length in tokens",
            "Reward",
            note,
        )
        first, second = [*state.reward_names(), "", ""][:2]
        pairs = [(one.rewards.get(first), one.rewards.get(second)) for one in found] if second else []
        both = [(x, y) for x, y in pairs if x is not None and y is not None]
        parts.show_points(both, first.capitalize(), second.capitalize(), note)


def _nothing(chart: Chart) -> None:
    """Nothing was drawn yet."""


def recent_completions(state: RunState, step: int | None) -> tuple[list[Completion], str]:
    """The sampled completions of a step where one is chosen (and at hand), else of the newest steps; and which these are."""
    steps = state.rollouts.steps()
    if step is not None and step in steps:
        steps = [step]
    found: list[Completion] = []
    first = 0
    for first in reversed(steps):
        groups = [group for group in state.rollouts.by_step[first] if not group.held_out]
        found[:0] = [one for group in groups for one in group.completions]
        if len(found) >= MOST_DOTS // 2:
            break
    if not found:
        return [], ""
    last = steps[-1]
    return found, f"step {last:,}" if first == last else f"steps {first:,} to {last:,}"
