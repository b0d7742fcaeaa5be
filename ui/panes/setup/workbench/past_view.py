"""A past run as these rewards would have seen it: the curve beside the one it had, completion by completion."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHeaderView, QSplitter, QWidget

from droid_tune import words
from droid_tune.runs.series import Series
from droid_tune.trial_report import Rescored, RescoredCompletion, RescoredStep
from ui.panes.setup.workbench.plain_rows import Column, PlainRows
from ui.panes.setup.workbench.tries_view import below_all, cell, right_tone, right_words, said
from ui.widgets.basics import column, prose, selectable
from ui.widgets.chart import Chart, ChartSpec, Line
from ui.widgets.lists.tables import data_table

WAS, WOULD = "was", "would"
CURVES = (
    Line("reward", "As it was", key=WAS),
    Line("reward", "With these rewards", key=WOULD),
)
NOTHING_YET = (
    "Choose a past run: every completion that it wrote is scored anew. The curve says what these rewards would have "
    "told of them; nothing is trained."
)


def changed_by(one: RescoredCompletion) -> float:
    """By how much its reward changes; what is judged by one of them alone counts most."""
    if one.was is None or one.would is None:
        return 0.0 if one.was == one.would else float("inf")
    return abs(one.would - one.was)


COLUMNS = (
    Column[RescoredCompletion](
        "Step",
        lambda one: f"{one.step:,}{' held-out' if one.held_out else ''}",
        lambda one: (one.step, one.held_out, one.group, one.member),
        right=True,
    ),
    Column[RescoredCompletion]("Was", lambda one: said(one.was), lambda one: below_all(one.was), right=True),
    Column[RescoredCompletion](
        "Would be", lambda one: said(one.would), lambda one: below_all(one.would), right=True
    ),
    Column[RescoredCompletion]("Change", lambda one: change_words(one), changed_by, right=True),
    Column[RescoredCompletion](
        "Accuracy",
        lambda one: right_words(one.right),
        lambda one: right_words(one.right),
        lambda one: right_tone(one.right),
    ),
    Column[RescoredCompletion]("Completion", lambda one: cell(one.completion), lambda one: one.completion),
    Column[RescoredCompletion]("Why", lambda one: cell(one.why), lambda one: one.why, lambda _: "secondary"),
)
WIDTHS = (64, 58, 82, 82, 78, 220)
CHANGE = 3


def change_words(one: RescoredCompletion) -> str:
    """`+0.5`; a dash where one of the two is missing."""
    return "–" if one.was is None or one.would is None else f"{one.would - one.was:+.3g}"


class PastView(QSplitter):
    """Grows step by step while a run is scored."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Vertical, parent)
        self.setChildrenCollapsible(False)
        self.setHandleWidth(10)
        self._completions: list[RescoredCompletion] = []
        top = QWidget(self)
        box = column(top, spacing=8)
        self.words = selectable(prose(NOTHING_YET, "small", parent=top))
        self.words.setAccessibleName("What scoring it anew says")
        box.addWidget(self.words)
        self.chart = Chart(ChartSpec("Reward", CURVES, empty="No step was scored yet"), top)
        self.chart.setMinimumHeight(140)
        box.addWidget(self.chart, 1)
        self.model = PlainRows[RescoredCompletion](COLUMNS, self)
        self.table = data_table(self.model, "Completions of the run, scored anew", self)
        self.table.verticalHeader().hide()
        self.table.setSortingEnabled(True)
        self.table.setMinimumHeight(120)
        for place, width in enumerate(WIDTHS):
            self.table.setColumnWidth(place, width)
            self.table.horizontalHeader().setSectionResizeMode(place, QHeaderView.ResizeMode.Interactive)
        self.begin("")

    def begin(self, name: str) -> None:
        """Another run, of which nothing is scored yet."""
        self._completions = []
        self._series = {WAS: Series(), WOULD: Series()}
        self.words.setText(f"Scoring “{words.literal(name)}” anew…" if name else NOTHING_YET)
        self.chart.show_series(self._series, 0.0)
        self.model.show_items([])

    def add_step(self, found: RescoredStep) -> None:
        """The curve grows by a step that was learnt from; held-out completions are in the table alone."""
        self._completions += found.completions
        if found.held_out:
            return
        for name, value in ((WAS, found.was), (WOULD, found.would)):
            if value is not None:
                self._series[name].append(found.step, value)
        self.chart.show_series(self._series, 0.0)

    def end(self, found: Rescored | None, why: str = "") -> None:
        """All of it, or as much as was scored until it ended; the greatest changes first."""
        said_words = list(found.sentences()) if found is not None else [why]
        self.words.setText(words.literal(" ".join(said_words)))
        self.model.show_items(self._completions)
        self.table.sortByColumn(CHANGE, Qt.SortOrder.DescendingOrder)
