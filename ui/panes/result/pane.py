"""The result of the run that is shown: before and after, what was won and lost, and what can be done with it now."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QPushButton, QWidget

from droid_tune import words
from droid_tune.metrics import describe
from droid_tune.paths import RunPaths
from droid_tune.report.story import Story, read_story
from droid_tune.runs.series import Series
from ui.background import Task
from ui.one_run.further_steps import FurtherSteps
from ui.one_run.run_deeds import RunDeeds
from ui.one_run.run_title import RunTitle
from ui.panes.base import FillingPane
from ui.panes.result.result_actions import ResultActions
from ui.panes.result.result_card import ResultCard
from ui.panes.result.then_and_now import ThenAndNow
from ui.session import Session
from ui.widgets.basics import Page, column, scrolling
from ui.widgets.chart import Chart, ChartSpec, Line
from ui.widgets.notice import NoticeStack
from ui.widgets.one_by_one import OneByOne

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

#: a run's files as they were when they were read: its folder, and the bytes of its logs
Stand = tuple[Path, int, int]

#: pixels beyond which the curve is not higher, and its part of the height that is left over
HIGHEST, CURVE_FIRST = 420, 100


class ResultPane(FillingPane):
    """Draws `session.shown` once it has ended; its files are read in the background."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            session,
            parent,
            "result",
            "No result yet",
            "When a run ends, what it came to stands here: held-out rows before and after, answers then and now, "
            "and what can be done with the model.",
        )
        self._stand: Stand | None = None
        self._reading: Task | None = None
        self._drawing = OneByOne(self)
        page = Page(self)
        self.add_content(scrolling(page, self))
        layout = column(page, spacing=12, margins=20)
        self._title = RunTitle(page)
        layout.addWidget(self._title)
        self._notices = NoticeStack(page, most=2)
        self._further = FurtherSteps(page)
        self._deeds = RunDeeds(self, self._notices, self._further, self.run)
        self._actions = ResultActions(self._deeds, page)
        for part in (self._notices, self._actions, self._further):
            layout.addWidget(part)
        self._card = ResultCard(page)
        self._chart: Chart | None = None  # of a run that has a curve
        self._curve_place = column()
        self._answers = ThenAndNow(page)
        layout.addWidget(self._card)
        layout.addLayout(self._curve_place, CURVE_FIRST)
        layout.addWidget(self._answers)
        layout.addStretch(1)
        self._hide_parts()
        session.shown_changed.connect(self._follow)
        session.life_changed.connect(self._follow)
        session.runs_changed.connect(self._follow)

    def run(self) -> RunSummary | None:
        """The run whose result is shown, as the list knows it; None until it is listed."""
        folder = self.session.shown_folder
        return next((run for run in self.session.runs if run.folder == folder), None)

    def refresh(self) -> None:
        """Draw the shown run; read its files where they are other than those read last."""
        state, folder = self.session.shown, self.session.shown_folder
        self.show_content(state.ended and folder is not None)
        if not state.ended or folder is None:
            self._stand = None
            return
        self._title.show_named(state.name or "Run", state.life, state.why)
        self._actions.show_run(self.run(), busy=self.session.training)
        self._read(folder)

    def _read(self, folder: Path) -> None:
        stand = stand_of(folder)
        if stand == self._stand:
            return
        if self._stand is None or self._stand[0] != folder:
            self._notices.clear()
            self._further.hide()
            self._drawing.begin(())
            self._hide_parts()
        self._stand = stand
        if self._reading is not None:
            self._reading.drop()
        self._reading = Task(
            partial(read_story, folder), self, done=self._show_story, failed=self._say_unread
        ).start()

    def _hide_parts(self) -> None:
        for part in (self._card, self._chart, self._answers):
            if part is not None:
                part.hide()

    def _show_story(self, story: Story) -> None:
        self._reading = None
        parts = (self._show_card, self._show_curve, self._show_answers)
        self._drawing.begin([partial(part, story) for part in parts])

    def _show_card(self, story: Story) -> None:
        self._card.show_story(story)
        self._card.show()

    def _show_curve(self, story: Story) -> None:
        if len(story.evaluations) < 2:
            if self._chart is not None:
                self._chart.hide()
            return
        known = describe(story.measure)
        line = Line(story.measure, known.label, points=True, untrained=True)
        if self._chart is None:
            self._chart = Chart(ChartSpec(known.label, (line,)), self)
            self._chart.setMaximumHeight(HIGHEST)
            self._curve_place.addWidget(self._chart)
            self._chart.follow(
                self._actions.findChildren(QPushButton)[-1]
            )  # made later, it stands before the answers
        elif self._chart.spec.lines != (line,):
            self._chart.show_title(known.label)
            self._chart.set_lines((line,))
        self._chart.show_series(_curve(story), 0.0)
        self._chart.show()

    def _show_answers(self, story: Story) -> None:
        self._answers.show_story(story)
        self._answers.show()

    def _say_unread(self, sentence: str) -> None:
        self._reading = None
        self._notices.add("error", "What this run came to could not be read.", words.literal(sentence))

    @Slot()
    def _follow(self) -> None:
        if self.isVisible():
            self.refresh()


def _curve(story: Story) -> Mapping[str, Series]:
    found = Series()
    for one in story.evaluations:
        found.append(one.step, one.value)
    return {story.measure: found}


def stand_of(folder: Path) -> Stand:
    """How far a run's logs are written."""
    paths = RunPaths(folder)
    sizes = [file.stat().st_size if file.exists() else 0 for file in (paths.events, paths.rollouts)]
    return folder, sizes[0], sizes[1]
