"""A large window is filled and a small one ends where its words end: nothing is cut, no empty end is scrolled to."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import cast

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.runs.completions.asking import Visit
from droid_tune.runs.completions.difficulty import histories_of
from tests.ui.recording import complete, write_run
from ui.main_window import MainWindow
from ui.panes.data.issues.issues_view import IssuesView
from ui.panes.monitor.pane import MonitorPane
from ui.panes.rollouts.completions_model import TEXT_PLACE
from ui.panes.rollouts.difficulty_map import DifficultyMap
from ui.panes.rollouts.pane import RolloutsPane
from ui.panes.setup.pane import SetupPane
from ui.widgets.basics import Page
from ui.widgets.charting.scatter import ScatterChart

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


@pytest.fixture
def shown(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> MainWindow:
    """A large window on a run that has ended."""
    with qtbot.waitSignal(window.session.shown_changed):
        window.session.show_run(write_run(tmp_path / "run", complete(8, answered=True)))
    window.resize(2560, 1440)
    return window


def ends_where_it_should(page: Page) -> bool:
    view = page.parentWidget()
    return page.height() == max(view.height(), page.heightForWidth(view.width()))


def test_a_page_ends_where_its_words_end(shown: MainWindow, qtbot: QtBot) -> None:
    shown.resize(1280, 800)
    for key in ("settings", "setup", "result", "monitor"):
        shown.show_pane(key)
        page = shown.pane(key).findChild(Page)
        assert page is not None
        qtbot.waitUntil(partial(ends_where_it_should, page))


def test_setup_has_two_columns_where_there_is_room(shown: MainWindow, qtbot: QtBot) -> None:
    shown.show_pane("setup")
    page = cast("SetupPane", shown.pane("setup")).page

    def place(part: QWidget) -> QPoint:
        return part.mapTo(page, QPoint())

    def stands_beside() -> bool:
        left, right = place(page.picker), place(page.settings)
        level = place(page.panel).y() == left.y() and place(page.rewards).x() == left.x()
        return level and right.x() > left.x() + page.picker.width()

    def stands_below() -> bool:
        above, below = place(page.rewards), place(page.settings)
        return below.x() == place(page.picker).x() and below.y() > above.y()

    # Parts come in one by one, and the page is laid out anew behind each.
    qtbot.waitUntil(stands_beside)
    shown.resize(1280, 800)
    qtbot.waitUntil(stands_below)


def test_charts_grow_with_the_window(shown: MainWindow, qtbot: QtBot) -> None:
    shown.show_pane("monitor")
    pane = shown.pane("monitor")
    assert isinstance(pane, MonitorPane)
    qtbot.waitUntil(lambda: len(pane.board.charts) > 3 and pane.board.charts[3].height() > 300)
    qtbot.waitUntil(lambda: pane._memory.geometry().bottom() > pane._page.height() - 60)
    shown.resize(1280, 800)
    qtbot.waitUntil(lambda: pane.board.charts[0].height() < 220)


def test_rollouts_use_the_room(shown: MainWindow, qtbot: QtBot) -> None:
    """The text of a completion has what the numbers leave, and beside the map the hardest prompt is shown unasked."""
    shown.show_pane("rollouts")
    pane = shown.pane("rollouts")
    assert isinstance(pane, RolloutsPane)
    pane.show_view("completions")
    table = pane.completions.table
    head = table.horizontalHeader()
    qtbot.waitUntil(lambda: head.count() == 8)
    qtbot.waitUntil(lambda: head.length() == table.viewport().width())
    assert head.sectionSize(TEXT_PLACE) > 600
    for place in range(head.count()):  # `Accuracy` was cut to `ccuracy`
        assert place == TEXT_PLACE or head.sectionSize(place) >= head.sectionSizeHint(place)
    pane.show_view("prompts")
    qtbot.waitUntil(lambda: pane.prompts.over_time._title.text().startswith("Row "))
    assert pane.prompts.map._place == 0
    assert pane.prompts._legend.isVisible()


def test_what_is_wrong_is_read_whole_where_there_is_room(window: MainWindow) -> None:
    made = IssuesView(window)
    for width, least in ((820, 420), (2300, 1200)):
        made.resize(width, 500)
        made.show()
        QApplication.processEvents()
        assert made._table.columnWidth(4) >= least
    made.hide()


def test_the_mark_stays_with_its_prompt(window: MainWindow) -> None:
    made = DifficultyMap(window)
    told: list[int] = []
    made.chosen.connect(told.append)
    first = [Visit(step=1, row=row, completions=4, right=row, reward=None, offset=0) for row in (0, 1, 2)]
    made.show_histories(histories_of(first))
    made.choose(0)
    later = [Visit(step=2, row=0, completions=4, right=4, reward=None, offset=9)]
    made.show_histories(histories_of(sorted([*first, *later], key=lambda visit: (visit.row, visit.step))))
    assert [one.row for one in made._histories].index(0) == made._place == 1  # it was on top
    made.show_histories(histories_of(first[1:]))
    assert not made.has_chosen
    assert told == [0]


def test_dots_of_one_value_lie_in_a_range_around_it(window: MainWindow) -> None:
    made = ScatterChart("Part against part", "", window)
    made.show_points([(0.0, 1.0), (1.0, 1.0), (0.0, 1.0)], "Accuracy", "Format", "")
    (left, right), (low, high) = made._area.box.viewRange()
    assert low < 0.6
    assert high > 1.4
    assert left < 0.0 < 1.0 < right
