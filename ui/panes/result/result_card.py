"""The run in one card: what it came to in a sentence and in figures, and whether that is more than chance."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QWidget

from droid_tune import words
from droid_tune.metrics import describe
from droid_tune.report.outcome import bounds_words, outcome, value_words
from droid_tune.report.story import Story
from ui.one_run.leaked import leaked_words
from ui.panes.result.bounds_bar import BoundsBar
from ui.widgets.basics import column, prose, row, selectable
from ui.widgets.figure import Figure

KEYS = ("before", "after", "best", "changed", "time", "memory")
#: what is told of a run without answers to compare, by the metric
LEARNT = ("reward", "rewards/margins", "loss")


class ResultCard(QFrame):
    """Whole once the run's files are read."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        lines = column(self, spacing=12)
        lines.setContentsMargins(16, 14, 16, 14)
        self._said = selectable(prose("", parent=self))
        lines.addWidget(self._said)
        figures = row(spacing=18)
        self._figures = {key: Figure("", self) for key in KEYS}
        for figure in self._figures.values():
            figures.addWidget(figure, 1)
        lines.addLayout(figures)
        self.bar = BoundsBar(self)
        lines.addWidget(self.bar)
        self._flat = prose("", "fault", parent=self)
        lines.addWidget(self._flat)

    def show_story(self, story: Story) -> None:
        """Draw what a run came to."""
        self._said.setText(outcome(story))
        label_of = describe(story.measure).label if story.measure else "Held-out"
        figures = self._figures
        leaked = leaked_words(story.state)
        figures["before"].show_value(
            value_words(story, story.before), bounds_words(story.before), name=f"{label_of}, before"
        )
        figures["after"].show_value(
            value_words(story, story.after), bounds_words(story.after) or leaked, name="After"
        )
        best = story.state.best
        figures["best"].show_value(
            "–" if best is None else f"step {best.step:,}",
            "" if best is None else words.metric(best.metric, best.value),
            name="Best checkpoint",
        )
        self._show_changed(story)
        figures["time"].show_value(
            words.duration(story.seconds) if story.seconds else "–",
            words.energy(story.summary.joules)
            if story.summary.joules
            else words.count(story.state.step, "step"),
            name="Time of work",
        )
        peak = story.state.peak_bytes
        figures["memory"].show_value(words.size(peak) if peak else "–", name="Peak memory")
        self.bar.show_values(story.before, story.after)
        self._flat.setText(story.flat)
        self._flat.setVisible(bool(story.flat))

    def _show_changed(self, story: Story) -> None:
        """Won and lost; of a run without answers how far what it learns by went."""
        figure = self._figures["changed"]
        if story.told:
            figure.show_value(
                f"+{len(story.won):,} −{len(story.lost):,}",
                f"of {words.count(len(story.told), 'prompt')}",
                name="Won and lost",
            )
            return
        found = {name: series for name in LEARNT if (series := story.state.series.get(name))}
        name, series = next(iter(found.items()), ("loss", None))
        first = "" if series is None else f"from {words.metric(name, series.values[0])}"
        last = None if series is None else series.last
        figure.show_value(words.metric(name, last), first, name=describe(name).label)
