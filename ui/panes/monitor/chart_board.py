"""The charts of a run in a grid, a section at a time; what is not seen is neither made nor drawn."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QGridLayout, QWidget

from droid_tune.events import Completion
from droid_tune.metrics import describe
from droid_tune.runs.state import RunState
from ui.panes.monitor.chart_specs import REWARD_PARTS, sections_of
from ui.widgets.chart import Chart, Line
from ui.widgets.charting.run_marks import marks_of
from ui.widgets.charting.scale_across import Across, ScaleAcross
from ui.widgets.charting.scatter import MOST_DOTS, ScatterChart
from ui.widgets.charting.step_cursor import StepCursor

#: pixels from which on two and three charts stand beside each other
TWO, THREE = 620, 1150
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
        """The charts of the section that is shown."""
        return self._sections.get(self._section, [])

    def show_state(
        self, state: RunState, section: str, smoothing: float, across: Across, ghost: RunState | None
    ) -> None:
        """Draw what changed of a run in one section, with another run faintly behind it."""
        self._fit(state, section)
        scale, marks = ScaleAcross.of(state, across), marks_of(state)
        beside = ({}, ScaleAcross()) if ghost is None else (ghost.series, ScaleAcross.of(ghost, across))
        for chart in self.charts:
            chart.show_ghost(*beside)
            chart.show_series(state.series, smoothing, scale)
            chart.show_marks(marks)
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
        if state.method != self._method:
            self._method, self._parts = state.method, []
            for old in self._widgets():
                self._grid.removeWidget(old)
                old.deleteLater()
            self._sections, self._scatters = {}, []
        specs = sections_of(state.method)
        wanted = section if section in specs else FIRST
        if wanted not in self._sections:
            ahead = self._ahead if (wanted, state.method) == (FIRST, self._ahead_of) else []
            rest = specs[wanted][len(ahead) :]
            self._sections[wanted] = [*ahead, *(Chart(spec, self, self._cursor) for spec in rest)]
            self._ahead = [] if ahead else self._ahead
            if wanted == "rewards":
                self._scatters = self._make_scatters()
            self._section = ""
        if wanted != self._section:
            self._section = wanted
            self._place()
        self._fit_parts(state)

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
        lines = tuple(Line(f"rewards/{name}/mean", describe(f"rewards/{name}/mean").label) for name in parts)
        for chart in (one for charts in self._sections.values() for one in charts):
            if chart.spec.title == REWARD_PARTS.title:
                chart.set_lines(lines)

    def _widgets(self) -> list[QFrame]:
        return [*(chart for charts in self._sections.values() for chart in charts), *self._scatters]

    def _place(self) -> None:
        shown: list[QFrame] = [*self.charts, *(self._scatters if self._section == "rewards" else [])]
        for widget in self._widgets():
            self._grid.removeWidget(widget)
            widget.setVisible(widget in shown)
        columns = max(1, self._columns)
        for place, widget in enumerate(shown):
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


def recent_completions(state: RunState, step: int | None) -> tuple[list[Completion], str]:
    """The sampled completions of a step where one is chosen (and at hand), else of the newest steps; and which these are."""
    steps = state.rollout_steps()
    if step is not None and step in steps:
        steps = [step]
    found: list[Completion] = []
    first = 0
    for first in reversed(steps):
        groups = [group for group in state.rollouts[first] if not group.held_out]
        found[:0] = [one for group in groups for one in group.completions]
        if len(found) >= MOST_DOTS // 2:
            break
    if not found:
        return [], ""
    last = steps[-1]
    return found, f"step {last:,}" if first == last else f"steps {first:,} to {last:,}"
