"""However much there is to show, one turn of the window's loop makes and lays out a bounded part of it.

Counted, not timed: widgets that are shown for the first time (Qt polishes each once) and characters that are handed to
labels and pages of text, in each turn. What the turns cost is measured by `tests/benchmarks/window_gaps.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QObject, QSizeF
from PySide6.QtWidgets import QApplication, QLabel, QTextEdit, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.events import Completion, RolloutGroup
from droid_tune.report.comparing import read_compared
from droid_tune.runs.state import RunState
from tests.ui.recording import complete, write_run
from ui.compare.compared_curves import ComparedCurves
from ui.panes.monitor.chart_board import ChartBoard
from ui.panes.rollouts.by_step.group_page import GroupPage
from ui.panes.rollouts.cards.completion_card import SHORT
from ui.widgets.basics import column, scrolling
from ui.widgets.calm_bar import CalmBar
from ui.widgets.chart import Chart
from ui.widgets.charting.step_cursor import StepCursor
from ui.widgets.one_by_one import OneByOne
from ui.widgets.texts.long_text import LONGEST
from ui.widgets.texts.text_page import TextPage

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

#: widgets of one card or one chart, with room for what comes beside it; a group of eight has over 150
MOST_WIDGETS = 60
#: characters of a prompt and the beginning of a completion
MOST_CHARACTERS = 2_000


class Turns(QObject):
    """Counts in each turn of the loop what a page shows for the first time and what is handed over to be laid out in it."""

    def __init__(self, page: QWidget, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._page = page
        self.widgets: list[int] = [0]
        self.characters: list[int] = [0]
        for kind, name in ((QLabel, "setText"), (QTextEdit, "setPlainText"), (QTextEdit, "setHtml")):
            monkeypatch.setattr(kind, name, self._counted(getattr(kind, name)))
        application = QApplication.instance()
        assert application is not None
        application.installEventFilter(self)

    def _counted(self, given: Callable[[QWidget, str], None]) -> Callable[[QWidget, str], None]:
        def take(one: QWidget, text: str) -> None:
            self.characters[-1] += len(text) if self._page.isAncestorOf(one) else 0
            given(one, text)

        return take

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Polish and isinstance(watched, QWidget):
            self.widgets[-1] += self._page.isAncestorOf(watched)
        return False

    def until(self, done: Callable[[], bool]) -> None:
        """Turn after turn."""
        for _ in range(2_000):
            if done():
                return
            self.widgets.append(0)
            self.characters.append(0)
            QCoreApplication.processEvents()
        raise AssertionError("it never comes to its end")


@pytest.fixture
def place(qtbot: QtBot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    made.resize(800, 600)
    return made


@pytest.fixture
def turns(place: QWidget, monkeypatch: pytest.MonkeyPatch) -> Turns:
    return Turns(place, monkeypatch)


def large_group(step: int) -> RolloutGroup:
    completions = [
        Completion(
            text=f"{number} apples. " * 80_000,
            reward=number / 8,
            rewards={"accuracy": number / 8, "format": 1.0},
            length=250_000,
            finish_reason="length",
        )
        for number in range(8)
    ]
    return RolloutGroup(step=step, group=0, row=step, prompt="How many?", answer="7", completions=completions)


def test_eight_completions_of_a_megabyte_come_one_by_one_and_the_next_eight_in_the_same_cards(
    place: QWidget, turns: Turns
) -> None:
    page = GroupPage(place)
    place.show()
    page.show_group(large_group(1), None)
    turns.until(lambda: not page.column.busy)
    cards = page.column.cards
    assert [card.one is not None and card.isVisible() for card in cards] == [True] * 8
    assert sum(turns.widgets) > MOST_WIDGETS  # it is all there, and yet
    assert sum(turns.characters) > 8 * SHORT
    assert max(turns.widgets) <= MOST_WIDGETS
    assert max(turns.characters) <= MOST_CHARACTERS
    turns.widgets, turns.characters = [0], [0]
    page.show_group(large_group(2), None)
    turns.until(lambda: not page.column.busy)
    assert (page.column.cards, sum(turns.widgets)) == (cards, 0)
    assert max(turns.characters) <= MOST_CHARACTERS


@pytest.mark.parametrize("ahead", [False, True])
def test_the_charts_of_a_run_come_one_by_one_those_made_ahead_too(place: QWidget, ahead: bool) -> None:
    board = ChartBoard(StepCursor(place), place)
    place.show()
    board.resize(800, 600)
    board.show()
    while ahead and board.prepare("grpo"):
        pass
    state = RunState().apply_all(complete(20))
    board.show_state(state, "learning", 0.0, "step", None)
    seen: list[int] = []
    while board.busy:
        seen.append(sum(chart.isVisible() for chart in place.findChildren(Chart)))
        QCoreApplication.processEvents()
    assert seen[0] <= 1
    assert max(later - sooner for sooner, later in pairwise(seen)) == 1
    assert all(chart.isVisible() for chart in board.charts)
    assert len(place.findChildren(Chart)) == len(board.charts) > 4


def test_all_of_a_long_text_is_laid_out_once_up_to_its_bound(place: QWidget, qtbot: QtBot) -> None:
    inside = QWidget(place)
    page = TextPage("Text", inside)
    column(inside).addWidget(page)
    column(place).addWidget(scrolling(inside, place))
    place.show()
    asked: list[QSizeF] = []
    page.document().documentLayout().documentSizeChanged.connect(asked.append)
    page.show_text("word " * (LONGEST // 5))
    qtbot.waitUntil(lambda: page.height() > 1_000)
    settled = len(asked)
    for _ in range(20):
        assert page.sizeHint().height() == page.minimumSizeHint().height() == page.height()
    page.show_text("word " * (LONGEST // 5))  # the same again
    assert len(asked) == settled
    assert page.height() == page.document().size().height()


def test_a_bar_that_goes_on_paints_nothing_at_once(qtbot: QtBot) -> None:
    """Qt's own paints all of the window that waits to be painted, within `setValue`."""
    page = QWidget()
    qtbot.addWidget(page)
    other, bar = QLabel("0", page), CalmBar(page)
    lines = column(page)
    lines.addWidget(other)
    lines.addWidget(bar)
    page.show()
    QApplication.processEvents()
    painted: list[int] = []

    class Painted(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Paint:
                painted.append(bar.value())
            return False

    bar.installEventFilter(Painted(page))
    bar.setValue(50)
    bar.setValue(90)
    assert painted == []
    qtbot.waitUntil(lambda: painted == [90])


def test_each_step_of_a_course_has_its_turn_however_often_it_is_renewed(qtbot: QtBot, owner: QObject) -> None:
    course, done = OneByOne(owner), list[str]()
    for _ in range(8):  # each time before the second step has its turn
        course.renew({name: partial(done.append, name) for name in "abcd"})
    assert sorted(done) == sorted("abcd" * 2)


def test_a_step_that_is_added_has_its_turn_behind_the_others_and_stands_once(
    qtbot: QtBot, owner: QObject
) -> None:
    course, done = OneByOne(owner), list[str]()
    course.add("c", partial(done.append, "c"))
    assert (done, course.busy) == ([], True)  # never in the turn that asks for it
    course.renew({name: partial(done.append, name) for name in "ab"})
    course.add("b", partial(done.append, "b anew"))
    course.add("d", partial(done.append, "d"))
    qtbot.waitUntil(lambda: not course.busy)
    assert done == ["a", "b anew", "d"]


def test_no_turn_makes_a_chart_and_draws_one(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = QWidget()
    qtbot.addWidget(owner)
    turns: list[list[str]] = []
    do_next, make, draw = OneByOne._do_next, Chart.__init__, Chart._draw

    def turn(course: OneByOne) -> None:
        turns.append([])
        do_next(course)

    def made(chart: Chart, *words: Any) -> None:
        turns[-1].append("made")
        make(chart, *words)

    def drawn(chart: Chart) -> None:
        turns[-1].append("drawn")
        draw(chart)

    monkeypatch.setattr(OneByOne, "_do_next", turn)
    monkeypatch.setattr(Chart, "__init__", made)
    monkeypatch.setattr(Chart, "_draw", drawn)
    curves = ComparedCurves(owner)
    curves.show_runs([read_compared(write_run(tmp_path / "one", complete(8)))])
    qtbot.waitUntil(lambda: not curves._drawing.busy)
    assert len(curves.charts) > 3
    assert [one for one in turns if len(one) > 1] == []


def test_what_follows_a_course_waits_for_its_end_and_a_new_course_drops_the_old_one(
    qtbot: QtBot, owner: QObject
) -> None:
    course, done = OneByOne(owner), list[str]()
    course.renew({name: partial(done.append, name) for name in "ab"}, partial(done.append, "end"))
    assert (done, course.busy) == (["a"], True)
    qtbot.waitUntil(lambda: not course.busy)
    assert done == ["a", "b", "end"]
    course.renew({name: partial(done.append, name) for name in "cd"}, partial(done.append, "never"))
    course.begin([partial(done.append, "x")])
    assert done == ["a", "b", "end", "c", "x"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_window_is_led_through_every_phase(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The figures are written down, not judged: how long a gap is depends on the machine. That a phase is heavy is."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.window_gaps", "--json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    figures = json.loads(run.stdout.splitlines()[-1])
    print(json.dumps(figures, indent=1))
    for phase, found in figures.items():
        record_property(f"gaps: {phase}", found["thread"])
    assert len(figures) == 10
    worst = {phase: found["thread"]["max"] for phase, found in figures.items()}
    assert max(worst.values()) < 2_000, worst  # of CPU: twenty times what they come to (2026-11-30)
