"""The learning is seen: one cursor over all charts, marks of what happened, sections, another run, and steering."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.events import Notice, RunFinished, Steered
from droid_tune.runs.series import Series
from droid_tune.runs.state import RunState
from droid_tune.runs.steering import Wish, WishFile
from tests.ui.recording import complete, config, recorded, started
from ui.main_window import MainWindow
from ui.panes.monitor.chart_board import ChartBoard, recent_completions
from ui.panes.monitor.chart_specs import sections_of
from ui.panes.monitor.steer_sheet import SteerSheet
from ui.session import Session
from ui.widgets.chart import Chart, ChartSpec, Line
from ui.widgets.charting.run_marks import marks_of
from ui.widgets.charting.scale_across import ScaleAcross
from ui.widgets.charting.scatter import relation
from ui.widgets.charting.step_cursor import StepCursor

Open = Callable[[Session], MainWindow]


def series(values: list[float], first: int = 1) -> Series:
    made = Series()
    for step, value in enumerate(values, start=first):
        made.append(step, value)
    return made


@pytest.fixture
def place(qtbot: QtBot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    made.resize(900, 700)
    made.show()
    return made


def two_charts(place: QWidget) -> tuple[Chart, Chart, StepCursor]:
    cursor = StepCursor(place)
    charts = [Chart(ChartSpec(name, (Line(name, name),)), place, cursor) for name in ("reward", "loss")]
    for chart in charts:
        chart.resize(400, 250)
        chart.show_series({"reward": series([0.1] * 40), "loss": series([2.0] * 40)}, 0)
    return charts[0], charts[1], cursor


def test_what_one_chart_points_at_every_chart_tells(place: QWidget) -> None:
    first, second, cursor = two_charts(place)
    cursor.point(27)
    assert (first._head.value.text(), second._head.value.text()) == ("step 27 · 0.1", "step 27 · 2")
    assert second._plot.step_line.isVisible()
    cursor.point(None)
    assert (first._head.value.text(), second._plot.step_line.isVisible()) == ("0.1", False)


def test_the_chosen_step_stays_when_the_mouse_leaves_and_the_arrow_keys_move_it(place: QWidget) -> None:
    first, second, cursor = two_charts(place)
    cursor.choose(30)
    cursor.point(5)
    cursor.point(None)
    assert second._head.value.text() == "step 30 · 2"
    second.show_series({"loss": series([2.0] * 39 + [1.0])}, 0)
    assert second._head.value.text() == "step 30 · 2"  # though there is news
    first._plot.stepped.emit(1)
    first._plot.stepped.emit(1)
    first._plot.stepped.emit(-1)
    assert cursor.step == 31


def test_a_dragged_range_is_shown_by_every_chart_and_a_double_click_shows_all(place: QWidget) -> None:
    first, second, cursor = two_charts(place)
    first._plot.box.marked.emit(9.6, 20.2)
    assert cursor.range == (10, 20)
    assert np.allclose(second._plot.box.viewRange()[0], (10, 20), atol=0.5)
    second._plot.shows_all.emit()
    second._plot.box.updateAutoRange()
    assert cursor.range is None
    assert second._plot.box.viewRange()[0][1] >= 40


def test_raw_values_show_faintly_below_the_smoothed_curve(place: QWidget) -> None:
    first, _, _ = two_charts(place)
    noisy = series([0.0, 1.0] * 20)
    first.show_series({"reward": noisy}, 0.9)
    raw, smooth = (made.getData()[1] for made in (first._curves.items[0].raw, first._curves.items[0].curve))
    assert list(raw) == list(noisy.values)
    assert np.ptp(smooth[20:]) < 0.2
    first.show_series({"reward": noisy}, 0)
    assert first._curves.items[0].raw.getData()[0] is None or not len(first._curves.items[0].raw.getData()[0])


def test_the_untrained_model_is_a_dotted_line_and_another_run_a_ghost(place: QWidget) -> None:
    chart = Chart(ChartSpec("R", (Line("eval/accuracy", "A", points=True, untrained=True),)), place)
    chart.show_ghost({"eval/accuracy": series([0.5, 0.6])}, ScaleAcross())
    chart.show_series({"eval/accuracy": series([0.25, 0.5], first=0)}, 0)
    assert chart._curves.items[0].untrained.value() == 0.25
    assert list(chart._curves.items[0].ghost.getData()[1]) == [0.5, 0.6]
    chart.show_ghost({}, ScaleAcross())
    chart.show_series({"eval/accuracy": series([0.25, 0.5], first=0)}, 0)
    assert chart._curves.items[0].ghost.getData()[0] is None or not len(
        chart._curves.items[0].ghost.getData()[0]
    )


def test_shares_are_stacked_to_the_whole(place: QWidget) -> None:
    spec = ChartSpec("Groups", (Line("a", "A"), Line("b", "B")), stacked=True)
    chart = Chart(spec, place)
    chart.show_series({"a": series([0.25, 0.5, 0.5]), "b": series([0.75, 0.5, 0.5])}, 0)
    assert list(chart._curves.items[1].low.getData()[1]) == [0.25, 0.5, 0.5]
    assert list(chart._curves.items[1].high.getData()[1]) == [1, 1, 1]


def test_curves_can_be_drawn_over_tokens_and_over_the_runs_own_clock() -> None:
    """100 tokens and 2 s a step; an hour between two sessions is no time of the run."""
    events = [started(4).model_copy(update={"time": 1000.0})]
    from droid_tune.events import Step

    events += [
        Step(step=step, metrics={"num_tokens": 100.0}, time=1000.0 + 2 * step)  # pyright: ignore
        for step in (1, 2)
    ]
    events.append(started(4, start_step=2).model_copy(update={"time": 5000.0}))
    events += [Step(step=3, metrics={"num_tokens": 100.0}, time=5002.0)]  # pyright: ignore
    state = RunState().apply_all(events)
    tokens, clock = ScaleAcross.of(state, "tokens"), ScaleAcross.of(state, "time")
    assert list(tokens.place(np.array([0.0, 1, 2.5, 3]))) == [0, 100, 250, 300]
    assert list(clock.place(np.array([1.0, 3]))) == [2, 6]
    assert clock.step(5) == 2.5
    assert (tokens.text(2_500_000), clock.text(7200), ScaleAcross().text(1200)) == ("2.5M", "2 h", "1,200")
    assert ScaleAcross.of(RunState(), "time") == ScaleAcross()


def test_what_happened_is_marked_in_order() -> None:
    state = RunState().apply_all(recorded(60, until=45))
    state.apply(Steered(step=30, settings={"beta": 0.1}, before={"beta": 0.0}))
    state.apply(Notice(level="info", code="x", text="Slow.", step=12))
    state.apply(RunFinished(outcome="stopped", step=45, why="Stopped on request."))
    resumed = RunState().apply_all([*recorded(60, until=45), started(60, start_step=40)])
    assert (40, "resume") in [(mark.step, mark.kind) for mark in marks_of(resumed)]
    told = [(mark.step, mark.kind) for mark in marks_of(state)]
    assert [one for one in told if one[1] in ("steered", "notice", "stop")] == [
        (12, "notice"),
        (25, "notice"),
        (30, "steered"),
        (45, "stop"),
    ]
    assert {(20, "checkpoint"), (40, "checkpoint")} <= set(told)
    assert [kind for _, kind in told].count("best") == 1
    assert told == sorted(told)


def test_a_mark_is_found_where_it_stands_and_not_elsewhere(place: QWidget) -> None:
    first, _, _ = two_charts(place)
    state = RunState().apply_all(recorded(60, until=45))
    first.show_marks(marks_of(state))
    first.grab()
    (where,) = first._strip._across([20])
    assert where is not None
    found = first._strip.mark_near(where + 2)
    assert found is not None
    assert found.step == 20
    assert first._strip.mark_near(where + 60) is None


def test_marks_stand_below_curves_and_not_in_a_chart_without_any(place: QWidget) -> None:
    first, _, _ = two_charts(place)
    state = RunState().apply_all(recorded(60, until=45))
    first.show_series({}, 0)
    first.show_marks(marks_of(state))
    assert first._strip.isHidden()
    first.show_series(state.series, 0)
    assert not first._strip.isHidden()


def test_sections_are_made_when_they_are_looked_at_a_chart_at_a_time(place: QWidget, qtbot: QtBot) -> None:
    board = ChartBoard(StepCursor(place), place)
    board.arrange(1200)
    state = RunState().apply_all(complete(60))
    board.show_state(state, "learning", 0.0, "step", None)
    assert [chart.spec.title for chart in board.charts] == ["Reward"]
    whole = [spec.title for spec in sections_of(state.method)["learning"]]
    qtbot.waitUntil(lambda: [chart.spec.title for chart in board.charts] == whole and not board.busy)
    assert all(chart.summary() != f"{chart.spec.empty}." for chart in board.charts[:2])
    assert {line.metric for line in board.charts[1].spec.lines} == {
        f"rewards/{name}/mean" for name in state.reward_names()
    }
    assert list(board._sections) == ["learning"]
    board.show_state(state, "rewards", 0.6, "time", state)
    assert board.charts[0].spec.title == "Reward distribution"
    assert "go" in board._scatters[0].accessibleDescription()
    board.show_state(state, "machine", 0.0, "tokens", None)
    assert "Sampling: 1.4 s at step 60" in board.charts[0].summary()


def test_dots_are_of_the_chosen_step_or_the_newest_ones() -> None:
    state = RunState().apply_all(complete(60))
    assert recent_completions(state, 7)[1] == "step 7"
    assert recent_completions(state, None)[1].endswith("to 60")
    assert relation([(1, 1), (2, 2), (3, 3)], "Length", "Reward").startswith("Length and Reward go together")


@pytest.mark.parametrize("size", [(1280, 800), (1024, 640)])
def test_no_notice_pushes_the_first_chart_below_the_fold(
    session: Session, open_window: Open, qtbot: QtBot, size: tuple[int, int]
) -> None:
    window = open_window(session)
    window.resize(*size)
    session.shown.apply_all(recorded(60, until=20))
    for number in range(6):
        text = f"Number {number}: something that a person should know, in a sentence of a usual length."
        session.shown.apply(
            Notice(level="warning", code=f"n{number}", text=text, remedy="Do this.", step=number)
        )
    window.show_pane("monitor")
    pane = window.pane("monitor")
    qtbot.waitUntil(lambda: pane.board.charts and pane.board.charts[0].height() > 150)
    top = pane.board.charts[0].mapTo(window, QPoint(0, 0)).y()
    assert top + 150 < size[1]


def test_the_sheet_asks_for_what_was_changed_alone(qtbot: QtBot, place: QWidget) -> None:
    sheet = SteerSheet(config(60), place)
    wished: list[Wish] = []
    sheet.wished.connect(wished.append)
    fields = {field.accessibleName(): field for field in sheet.findChildren(QLineEdit)}
    fields["Temperature"].setText("0")
    buttons = {button.text(): button for button in sheet.findChildren(QPushButton)}
    buttons["Change"].click()
    assert wished == []
    assert "makes all completions of a group the same" in sheet._fault.text()
    fields["Temperature"].setText("0.8")
    fields["Stop at step"].setText("50")
    buttons["Change"].click()
    buttons["Save Now"].click()
    assert [(one.settings, one.action) for one in wished] == [
        ({"temperature": 0.8, "stop_at": 50}, None),
        ({}, "save"),
    ]


def test_a_wish_is_written_where_the_run_that_trains_finds_it(session: Session, tmp_path: Path) -> None:
    session.steer(Wish(id="early", settings={"beta": 0.1}))
    session.engine_run.folder = tmp_path
    session.engine_run._thread = object()  # pyright: ignore
    session.steer(Wish(id="now", settings={"beta": 0.2}))
    session.engine_run._thread = None
    assert [one.id for one in WishFile(tmp_path).wishes()] == ["now"]
