"""Knowing the data: lengths in the model's tokens against the limits, repetition, leakage, scripts, answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QBoxLayout, QGridLayout, QHBoxLayout, QWidget

from droid_tune import words
from droid_tune.control import Watch
from droid_tune.data.dataset import Dataset
from droid_tune.data.statistics import Limits, SplitStatistics, Statistics, statistics
from ui.engine_worker import EngineDoor
from ui.panes.data.data_job import DataJob
from ui.panes.data.rows.look import Look
from ui.panes.data.tokenizer_desk import TokenizerDesk
from ui.widgets.basics import button, clear, column, label, row
from ui.widgets.calm_bar import CalmBar
from ui.widgets.lists.tables import scrolling_card
from ui.widgets.notice import NoticeStack
from ui.widgets.one_by_one import OneByOne

if TYPE_CHECKING:
    from ui.panes.data.statistics.histogram import Histogram

NOTHING_USABLE = "Nothing to measure: no row of this data can be used as it is"
MEASURE_AGAIN = "Measure Again"
#: a height that is too low for two plots above each other
LOW = 290


@dataclass(frozen=True)
class Lengthy:
    """The limits of a run in tokens, and whether it rolls out (else the whole example has to fit)."""

    sequence: int
    completion: int
    rollouts: bool

    @property
    def limits(self) -> Limits:
        """The same as the statistics count by it."""
        return Limits(self.prompt, self.completion if self.rollouts else None)

    @property
    def prompt(self) -> int:
        """Tokens that a prompt may have (at least 1), or the whole example where nothing is rolled out."""
        return max(1, self.sequence - self.completion) if self.rollouts else self.sequence


class StatisticsView(QWidget):
    """Measures when it is looked at, and again when the data, the model or a limit changed."""

    def __init__(self, engine: EngineDoor, desk: TokenizerDesk, parent: QWidget) -> None:
        super().__init__(parent)
        self._engine, self._desk = engine, desk
        self._dataset: Dataset | None = None
        self._look: Look | None = None
        self._limits = Lengthy(2048, 256, True)
        self._measured: tuple[object, ...] = ()
        self._found: Statistics | None = None
        self._job: DataJob | None = None
        self._split = "train"
        layout = column(self, spacing=8)
        layout.addLayout(self._bar())
        self._notices = NoticeStack(self, most=1)
        layout.addWidget(self._notices)
        sides = row(spacing=12)
        self._plots = column(spacing=10)
        self._making = OneByOne(self)
        self._prompts: Histogram | None = None
        self._answers: Histogram | None = None
        sides.addLayout(self._plots, 3)
        sides.addWidget(self._facts_card(), 2)
        layout.addLayout(sides, 1)

    def show_data(self, dataset: Dataset | None, look: Look, limits: Lengthy) -> None:
        """What there is to measure; nothing happens before the view is seen."""
        self._dataset, self._look, self._limits = dataset, look, limits
        if self.isVisible():
            self.measure()

    def show_split(self, split: str) -> None:
        """Show the figures of `train`, `valid` or `test`."""
        self._split = split
        self._draw()

    def measure(self, *, exact: bool = False) -> None:
        """Measure where the data, the look or the limits changed; `exact` measures every row, not a sample."""
        dataset, look = self._dataset, self._look
        wanted = (id(dataset), look, self._limits)
        if dataset is None:
            self._show_none()
        if dataset is None or look is None or (wanted == self._measured and not exact):
            return
        self._cancel()
        self._measured, self._found = wanted, None
        self._draw()
        self._notices.clear()
        self._busy(True)
        work = partial(_measure, self._engine, dataset, look, self._limits, exact)
        self._job = self._desk.job(look.model, work, done=self._show, failed=self._fail)
        self._job.progressed.connect(self._progress.setValue)
        self._job.start()

    def _show_none(self) -> None:
        """No figures, those of other data least of all."""
        self._cancel()
        self._measured, self._found = (), None
        self._busy(False)
        self._notices.clear()
        self._draw()
        self._said.setText(NOTHING_USABLE)
        self._exact.hide()

    def shut(self) -> None:
        """The window closes: measure no more."""
        self._cancel()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._prompts is None and not self._making.busy:
            self._making.begin((self._make_prompts, self._make_answers))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where there is no room for one above the other, the plots stand side by side."""
        super().resizeEvent(event)
        direction = QBoxLayout.Direction
        low = self.height() < LOW
        self._plots.setDirection(direction.LeftToRight if low else direction.TopToBottom)

    # --- parts --------------------------------------------------------------------------------------------------

    def _make_prompts(self) -> None:
        """Plots are made once they are looked at: the window's start must not wait for the plotting library."""
        self._prompts = self._make_plot("Prompt tokens")
        self._draw()

    def _make_answers(self) -> None:
        self._answers = self._make_plot("Answer tokens")
        self._draw()

    def _make_plot(self, title: str) -> Histogram:
        from ui.panes.data.statistics.histogram import Histogram

        made = Histogram(title, self)
        self._plots.addWidget(made, 1)
        return made

    def _bar(self) -> QHBoxLayout:
        bar = row(spacing=10)
        self._said = label("", "small", parent=self)
        self._progress = CalmBar(self)
        self._progress.setRange(0, 1000)
        self._progress.setTextVisible(False)
        self._progress.setAccessibleName("Measuring the rows")
        self._stop = button("Cancel", "quiet", parent=self)
        self._stop.clicked.connect(self._cancel_asked)
        self._exact = button("Measure Every Row", "quiet", parent=self)
        self._exact.clicked.connect(self._measure_all)
        bar.addWidget(self._said)
        bar.addWidget(self._progress, 1)
        bar.addStretch(0)
        bar.addWidget(self._stop)
        bar.addWidget(self._exact)
        self._busy(False)
        return bar

    def _facts_card(self) -> QWidget:
        inside = QWidget(self)
        self._facts = QGridLayout(inside)
        self._facts.setContentsMargins(14, 12, 14, 12)
        self._facts.setHorizontalSpacing(16)
        self._facts.setVerticalSpacing(9)
        self._facts.setColumnStretch(1, 1)
        area = scrolling_card(inside, self)
        area.setMinimumWidth(250)
        return area

    # --- drawing ------------------------------------------------------------------------------------------------

    def _busy(self, busy: bool) -> None:
        self._progress.setVisible(busy)
        self._stop.setVisible(busy)
        self._said.setText("Measuring with the model's tokenizer" if busy else self._said.text())
        if busy:
            self._progress.setValue(0)
            self._exact.hide()

    def _draw(self) -> None:
        found = self._found.splits.get(self._split) if self._found is not None else None
        clear(self._facts)
        self._draw_plots(found)
        if found is None:
            return
        overlap = self._found.overlap if self._found is not None else {}
        for place, (name, value, warns) in enumerate(facts_of(found, self._split, overlap)):
            self._facts.addWidget(label(name, "small", parent=self), place, 0, Qt.AlignmentFlag.AlignTop)
            told = label(value, "fault" if warns else "", parent=self, wrap=True)
            self._facts.addWidget(told, place, 1)
        self._facts.setRowStretch(self._facts.rowCount(), 1)
        exact = "every row" if found.exact else f"a sample of {words.count(found.sampled, 'row')}"
        self._said.setText(f"Measured over {exact} with the model's tokenizer")
        self._exact.setVisible(not found.exact)

    def _draw_plots(self, found: SplitStatistics | None) -> None:
        if found is None:
            for plot in (self._prompts, self._answers):
                if plot is not None:
                    plot.show_lengths(None, None)
            return
        from ui.panes.data.statistics.histogram import Limit

        rollouts = self._limits.rollouts
        dropped = "longer prompts are refused before training" if rollouts else "longer examples are cut"
        if self._prompts is not None:
            self._prompts.show_lengths(found.prompt_tokens, Limit(self._limits.prompt, dropped))
        cut = Limit(self._limits.completion, "the model's own answers end there") if rollouts else None
        if self._answers is not None:
            self._answers.show_lengths(found.answer_tokens, cut, "The rows have no answers")

    # --- slots --------------------------------------------------------------------------------------------------

    def _show(self, found: Statistics) -> None:
        self._job = None
        self._found = found
        self._busy(False)
        self._draw()

    def _fail(self, sentence: str) -> None:
        """It is not measured again by itself: the pane is drawn many times a minute."""
        self._job = None
        self._busy(False)
        self._said.setText("Not measured")
        bar = self._notices.add("warning", words.literal(sentence), actions=(MEASURE_AGAIN,))
        bar.chosen.connect(self._measure_again)

    @Slot()
    def _measure_again(self) -> None:
        self._measured = ()
        self.measure()

    @Slot()
    def _cancel_asked(self) -> None:
        self._cancel()
        self._busy(False)
        self._said.setText("Cancelled")
        self._exact.setVisible(True)
        self._measured = ()

    @Slot()
    def _measure_all(self) -> None:
        self._measured = ()
        self.measure(exact=True)

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None


def _measure(
    engine: EngineDoor,
    dataset: Dataset,
    look: Look,
    limits: Lengthy,
    exact: bool,
    tokenizer: Any,
    watch: Watch,
) -> Statistics:
    return statistics(
        dataset,
        tokenizer,
        options=look.with_tools(engine, tokenizer, watch),
        limits=limits.limits,
        exact=exact,
        watch=watch,
    )


def facts_of(found: SplitStatistics, split: str, overlap: dict[str, int]) -> list[tuple[str, str, bool]]:
    """Name, value, and whether it asks for attention."""
    facts = [
        ("Rows", f"{found.rows:,}", False),
        ("Too long", of_rows(found.too_long, found.sampled), found.too_long > 0),
    ]
    if found.cut_answers:
        said = (
            f"{of_rows(found.cut_answers, found.sampled)} have an answer that the model has no room to repeat"
        )
        facts.append(("Long answers", said, True))
    facts += [
        ("Duplicates", repeats_in_words(found.duplicates), found.duplicates > 0),
        ("Repeated prompts", f"{found.repeated_prompts:,}" if found.repeated_prompts else "none", False),
    ]
    if split != "train":
        shared = overlap.get(split, 0)
        facts.append(("Leakage", leaked_in_words(shared, "prompt"), shared > 0))
    elif overlap:
        shared = sum(overlap.values())
        facts.append(("Leakage", leaked_in_words(shared, "held-out prompt"), shared > 0))
    if found.empty_systems:
        facts.append(("Empty systems", of_rows(found.empty_systems, found.sampled), False))
    scripts = ", ".join(f"{name} {words.share(share)}" for name, share in list(found.scripts.items())[:4])
    facts.append(("Scripts", scripts or "no letters", False))
    facts.append(("Answers", amounts(found.answers, found.sampled), False))
    reward = (found.suggested_reward or "none").replace("_", " ")
    facts.append(("Fitting reward", reward, False))
    return facts


def leaked_in_words(shared: int, noun: str) -> str:
    """`none`, `165 held-out prompts also in train`."""
    return f"{words.count(shared, noun)} also in train" if shared else "none"


def repeats_in_words(count: int) -> str:
    """`none`, `1 row repeats an earlier one`, `3 rows repeat an earlier one`."""
    said = f"{words.count(count, 'row')} {'repeats' if count == 1 else 'repeat'} an earlier one"
    return said if count else "none"


def amounts(pairs: dict[str, int], total: int) -> str:
    """`number 90%, short text 10%`."""
    shown = [
        f"{name.replace('_', ' ')} {words.share(count / max(total, 1))}" for name, count in pairs.items()
    ]
    return ", ".join(shown[:4])


def of_rows(count: int, total: int) -> str:
    """`none`, `12 of 1,000 rows`."""
    return f"{count:,} of {words.count(total, 'row')}" if count else "none"
