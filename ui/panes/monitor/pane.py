"""The run as it goes: where it is, how long it will take, the curves, and what to do when something looks wrong."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from droid_tune.events import REWARD_FAILED, Notice
from droid_tune.metrics import describe
from droid_tune.runs.state import RunState
from ui.panes.base import FillingPane
from ui.panes.monitor.live_memory import LiveMemory
from ui.panes.monitor.metric_table import MetricTable
from ui.panes.monitor.run_header import RunHeader
from ui.session import Session
from ui.widgets.basics import clear, column, label, row, scrolling
from ui.widgets.chart import Chart, ChartSpec, Line
from ui.widgets.notice import NoticeBar
from ui.widgets.segmented import Segmented

REINFORCEMENT = (
    ChartSpec(
        "Reward",
        (
            Line("reward", "Mean and spread", band="reward_std", bounds=("reward/min", "reward/max")),
            Line("eval/accuracy", "Held-out accuracy", points=True),
        ),
        "Mean reward of the sampled completions with the spread inside a group; dots are greedy answers to held-out rows.",
    ),
    ChartSpec(
        "Reward parts",
        (Line("rewards/accuracy/mean", "Accuracy"),),
        "The mean of each reward, before its weight.",
    ),
    ChartSpec("Loss", (Line("loss", "Loss"),)),
    ChartSpec(
        "KL to the reference",
        (Line("kl/k1", "KL"), Line("kl", "KL penalty (k3)")),
        empty="No values yet; none while the KL penalty is 0",
    ),
    ChartSpec("Entropy", (Line("entropy", "Entropy"),)),
    ChartSpec(
        "Completion length",
        (Line("completions/mean_length", "Mean"), Line("completions/max_length", "Longest")),
    ),
    ChartSpec(
        "Cut off or clipped",
        (
            Line("completions/clipped_ratio", "Completions cut off"),
            Line("clip_ratio/region_mean", "Tokens clipped"),
            Line("frac_reward_zero_std", "Groups without signal"),
        ),
    ),
    ChartSpec("Gradient norm", (Line("grad_norm", "Gradient norm"),)),
    ChartSpec("Learning rate", (Line("learning_rate", "Learning rate"),)),
    ChartSpec("Memory", (Line("memory/peak_bytes", "Peak"), Line("memory/active_bytes", "In use"))),
)
SUPERVISED = (
    ChartSpec("Loss", (Line("loss", "Training"), Line("eval/loss", "Held-out", points=True))),
    ChartSpec("Held-out perplexity", (Line("eval/perplexity", "Perplexity", points=True),)),
    ChartSpec("Held-out accuracy", (Line("eval/accuracy", "Accuracy", points=True),)),
    ChartSpec("Gradient norm", (Line("grad_norm", "Gradient norm"),)),
    ChartSpec("Learning rate", (Line("learning_rate", "Learning rate"),)),
    ChartSpec("Memory", (Line("memory/peak_bytes", "Peak"), Line("memory/active_bytes", "In use"))),
)
SMOOTHINGS = (("0", "Raw"), ("0.6", "Smooth"), ("0.9", "Smoother"))


#: older ones stay in the run's events
MOST_NOTICES = 3


class MonitorPane(FillingPane):
    """Draws `session.shown`."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            session,
            parent,
            "monitor",
            "Nothing is training yet",
            "Choose data, a model and a method, then press Train. The curves of the reward, the loss and the "
            "length of the answers appear here as the run goes.",
        )
        self._charts: list[Chart] = []
        self._kind = ""
        self._columns = 0
        self._parts: list[str] = []
        self._notices: dict[tuple[str, int], NoticeBar] = {}
        self._page = QWidget(self)
        self.add_content(scrolling(self._page, self))
        layout = column(self._page, spacing=14, margins=20)
        self._header = RunHeader(self._page)
        layout.addWidget(self._header)
        self._notice_box = column(spacing=6)
        layout.addLayout(self._notice_box)
        self._memory = LiveMemory(self._page)
        layout.addWidget(self._memory)
        layout.addLayout(self._toolbar())
        self._grid = QGridLayout()
        self._grid.setSpacing(12)
        layout.addLayout(self._grid)
        self._table = MetricTable(self._page)
        self._table.hide()
        layout.addWidget(self._table)
        layout.addStretch(1)
        session.shown_changed.connect(self._another_run)

    def refresh(self) -> None:
        """Draw what the shown run told since the last time."""
        state = self.session.shown
        self.show_content(state.life != "empty")
        if state.life == "empty":
            return
        self._header.show_state(state, stopping=self.session.stopping and state is self.session.live)
        self._show_notices(state)
        self._memory.show_state(state)
        self._fit_charts(state)
        if self._view.key == "table":
            self._table.show_series(state.series)
            return
        smoothing = float(self._smoothing.key)
        for chart in self._charts:
            chart.show_series(state.series, smoothing)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    # --- parts --------------------------------------------------------------------------------------------------

    def _toolbar(self) -> QVBoxLayout:
        box = column(spacing=0)
        bar = row(spacing=10)
        bar.addWidget(label("Curves", "heading", parent=self._page))
        bar.addStretch(1)
        self._smoothing = Segmented(SMOOTHINGS, self._page, "Smoothing")
        self._smoothing.choose(f"{self.session.settings.smoothing:g}")
        self._smoothing.chosen.connect(self._smooth)
        self._view = Segmented((("charts", "Charts"), ("table", "Table")), self._page, "View")
        self._view.chosen.connect(self._switch_view)
        bar.addWidget(self._smoothing)
        bar.addWidget(self._view)
        box.addLayout(bar)
        return box

    def _fit_charts(self, state: RunState) -> None:
        """The charts of the method, made when a run of another kind is shown."""
        kind = "sft" if state.method == "sft" else "rl"
        if kind != self._kind:
            self._kind = kind
            for old in self._charts:
                self._grid.removeWidget(old)
                old.deleteLater()
            specs = SUPERVISED if kind == "sft" else REINFORCEMENT
            self._charts = [Chart(spec, self._page) for spec in specs]
            for chart in self._charts:
                chart.setVisible(self._view.key == "charts")
            self._columns, self._parts = 0, []
            self._arrange()
        parts = state.reward_names()
        if kind == "rl" and parts and parts != self._parts:
            self._parts = parts
            self._charts[1].set_lines(
                tuple(Line(f"rewards/{name}/mean", describe(f"rewards/{name}/mean").label) for name in parts)
            )

    def _arrange(self) -> None:
        columns = 3 if self.width() >= 1150 else 2 if self.width() >= 620 else 1
        if columns == self._columns or not self._charts:
            return
        self._columns = columns
        for place, chart in enumerate(self._charts):
            self._grid.removeWidget(chart)
            self._grid.addWidget(chart, place // columns, place % columns)
        for place in range(3):
            self._grid.setColumnStretch(place, 1 if place < columns else 0)

    def _show_notices(self, state: RunState) -> None:
        told = {notice_key(notice): notice for notice in state.notices[-MOST_NOTICES:]}
        for gone in self._notices.keys() - told.keys():
            bar = self._notices.pop(gone)
            self._notice_box.removeWidget(bar)
            bar.deleteLater()
        for key, notice in told.items():
            where = f"Step {notice.step}: " if notice.step and notice.code != REWARD_FAILED else ""
            text = where + notice.text
            if key not in self._notices:
                bar = NoticeBar(notice.level, text, notice.remedy, parent=self._page)
                self._notices[key] = bar
                self._notice_box.insertWidget(0, bar)
            elif self._notices[key].text != text:
                self._notices[key].say(text, notice.remedy)

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot()
    def _another_run(self) -> None:
        clear(self._notice_box)
        self._notices = {}
        if self.isVisible():
            self.refresh()

    @Slot(str)
    def _smooth(self, key: str) -> None:
        self.session.settings.smoothing = float(key)
        self.refresh()

    @Slot(str)
    def _switch_view(self, key: str) -> None:
        for chart in self._charts:
            chart.setVisible(key == "charts")
        self._table.setVisible(key == "table")
        self.refresh()


def notice_key(notice: Notice) -> tuple[str, int]:
    """What keeps its place: failing rewards are one notice, of all others each is its own."""
    return (notice.code, 0) if notice.code == REWARD_FAILED else (notice.code, id(notice))
