"""The curves of the chosen runs by one metric, in one chart; each run is read in the background the first time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from droid_tune import words
from droid_tune.metrics import describe
from droid_tune.runs.series import Series
from droid_tune.runs.state import RunState
from ui.background import Task
from ui.panes.runs.run_progress import RunNames
from ui.session import Session
from ui.widgets.basics import column, label, row
from ui.widgets.chart import Chart, ChartSpec, Line
from ui.widgets.charting.run_metrics import COMPARED
from ui.widgets.notice import NoticeBar, NoticeStack
from ui.widgets.quiet_combo import QuietCombo
from ui.work.run_reading import read_run

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

MOST_COMPARED = 8
READ_AGAIN = "Read Again"

#: a run as it was at one time: its id, and when its files last changed
Stand = tuple[str, float]


class RunCurves(QWidget):
    """A run that cannot be read is said among `notices`; it is tried again when someone asks or looks again."""

    def __init__(self, session: Session, names: RunNames, notices: NoticeStack, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._names, self._notices = session, names, notices
        self._runs: Sequence[RunSummary] = ()
        self._wanted = ""  # the metric that a person chose
        self._states: dict[Stand, RunState] = {}
        self._asked: set[Stand] = set()
        self._unread: set[Stand] = set()  # of those asked: what could not be read
        lines = column(self, spacing=12)
        lines.addLayout(self._head())
        self.chart = Chart(ChartSpec("Reward", (Line("reward", "Reward"),)), self)
        self.chart.setMinimumHeight(220)
        lines.addWidget(self.chart, 1)

    def show_runs(self, runs: Sequence[RunSummary]) -> None:
        """Draw these runs, as far as they are read; the others follow."""
        self._runs = runs
        self._title.setText("Curve" if len(runs) == 1 else "Curves together")
        self._draw()

    def look_again(self) -> None:
        """What could not be read is tried again when it is drawn."""
        self._asked -= self._unread
        self._unread.clear()

    def _head(self) -> QHBoxLayout:
        line = row(spacing=8)
        self._title = label("Curve", "heading", parent=self)
        self._metric = QuietCombo(self)
        self._metric.setAccessibleName("Metric to compare")
        for name in COMPARED:
            self._metric.addItem(describe(name).label, name)
        self._metric.activated.connect(self._choose)
        line.addWidget(self._title)
        line.addStretch(1)
        line.addWidget(self._metric)
        return line

    @Slot()
    def _choose(self) -> None:
        self._wanted = str(self._metric.currentData())
        self._draw()

    def _metric_of(self, runs: Sequence[RunSummary]) -> str:
        """What a person chose, else the best that one of these runs has: runs of SFT and DPO have no reward."""
        told = {name for run in runs if (state := self._state_of(run)) for name in state.series}
        return self._wanted or next((name for name in COMPARED if name in told), COMPARED[0])

    @Slot()
    def _draw(self) -> None:
        shown = self._runs[:MOST_COMPARED]
        metric = self._metric_of(shown)
        self._metric.setCurrentIndex(self._metric.findData(metric))
        known = describe(metric)
        lines = tuple(self._line(metric, run) for run in shown)
        series = self._series_of(metric, shown)
        if lines != self.chart.spec.lines and lines:
            self.chart.spec = ChartSpec(known.label, lines, known.help, "No values of this metric")
            self.chart.set_lines(lines)
        self.chart.show_title(known.label)
        self.chart.show_series(series, self._session.settings.smoothing)

    def _line(self, metric: str, run: RunSummary) -> Line:
        return Line(metric, self._names.name_of(run), points=metric.startswith("eval/"), key=run.id)

    def _series_of(self, metric: str, runs: Sequence[RunSummary]) -> dict[str, Series]:
        """By the run's id, of those that are read and have the metric."""
        states = ((run.id, self._state_of(run)) for run in runs)
        return {key: state.series[metric] for key, state in states if state and metric in state.series}

    # --- reading ------------------------------------------------------------------------------------------------

    def _state_of(self, run: RunSummary) -> RunState | None:
        """The run's state, read in the background the first time; one that could not be read waits for `look_again`."""
        if run.folder == self._session.live_folder and self._session.live is not None:
            return self._session.live
        stand = (run.id, run.updated)
        if stand not in self._asked:
            self._asked.add(stand)
            done, failed = partial(self._keep, stand), partial(self._say_unread, run, stand)
            Task(partial(read_run, run.folder), self, done=done, failed=failed).start()
        return self._states.get(stand)

    def _keep(self, stand: Stand, state: RunState) -> None:
        self._states[stand] = state
        self._draw()

    def _say_unread(self, run: RunSummary, stand: Stand, sentence: str) -> None:
        self._unread.add(stand)
        said = f"The curves of “{words.literal(run.name)}” could not be read."
        bar = self._notices.add("error", said, words.literal(sentence), actions=(READ_AGAIN,))
        bar.chosen.connect(partial(self._read_again, bar))

    def _read_again(self, bar: NoticeBar, action: str) -> None:
        bar.dismiss()
        self.look_again()
        self._draw()
