"""Two to four runs beside one another, in a window of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from pytestqt.qtbot import QtBot

from droid_tune.config import dump_yaml
from tests.ui.recording import complete, config, write_run
from tests.ui.spoken_names import nameless
from ui.compare.compare_window import CompareWindow
from ui.main_window import MainWindow
from ui.one_run.answers_card import AnswersCard
from ui.panes.runs.pane import RunsPane
from ui.widgets.one_by_one import OneByOne

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

RATES = {"one": 1e-4, "two": 3e-4, "three": 1e-3}


@pytest.fixture
def pane(window: MainWindow, data_home: Path, qtbot: QtBot) -> RunsPane:
    for steps, (name, rate) in zip((60, 40, 60), RATES.items(), strict=True):
        folder = write_run(data_home / "runs" / name, complete(steps, answered=True), steps=steps)
        text = dump_yaml(config(steps, optimizer={"learning_rate": rate}))
        (folder / "config.yaml").write_text(text)
        (folder / "rewards").mkdir()
        (folder / "rewards" / "mine.py").write_text(f"RATE = {rate}\n")
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    window.show_pane("runs")
    found = window.pane("runs")
    assert isinstance(found, RunsPane)
    return found


def opened(pane: RunsPane, ids: set[str], qtbot: QtBot) -> CompareWindow:
    pane._list.choose(ids)
    assert pane.compare.isVisible()
    pane.compare.click()
    made = pane.findChildren(CompareWindow)[-1]
    qtbot.waitUntil(lambda: made._said.isHidden() and is_drawn(made))
    return made


def is_drawn(made: CompareWindow) -> bool:
    return not any(one.busy for one in made.findChildren(OneByOne))


def test_curves_of_all_runs_share_the_axes(pane: RunsPane, qtbot: QtBot) -> None:
    made = opened(pane, {"one", "two", "three"}, qtbot)
    chart = made.curves.charts["reward"]
    assert len(chart.spec.lines) == 3
    ends = sorted(series.steps[-1] for series in chart.content.series.values())
    assert ends == [40, 60, 60]
    said = chart.told_at(50)
    assert said.startswith("step 50 · ")
    assert len(said.split(" · ")) == 3  # the step, and two values: none of the run that ended at 40
    made.close()


@pytest.mark.parametrize("kind", ["tokens", "time"])
def test_runs_are_drawn_over_their_own_tokens_and_clocks(pane: RunsPane, qtbot: QtBot, kind: str) -> None:
    made = opened(pane, {"one", "two"}, qtbot)
    made.curves.across.choose(kind)
    made.curves.across.chosen.emit(kind)
    qtbot.waitUntil(lambda: is_drawn(made))
    chart = made.curves.charts["reward"]
    runs = {run.summary.id: run.state for run in made.curves._runs}
    for key, series in chart.content.series.items():
        own = runs[key].clock.tokens if kind == "tokens" else runs[key].clock.seconds
        if own.last:  # the recording tells none of its tokens
            assert series.steps[-1] == own.last
        assert list(series.values) == list(runs[key].series["reward"].values)
    made.close()


def test_settings_code_and_answers_stand_side_by_side(pane: RunsPane, qtbot: QtBot) -> None:
    made = opened(pane, {"one", "three"}, qtbot)
    model = made.settings.model()
    cells = [[str(model.index(row, place).data()) for place in range(3)] for row in range(model.rowCount())]
    rate = next(line for line in cells if line[0] == "Optimizer, Learning rate")
    assert set(rate[1:]) == {"1e-4", "0.001"}
    made.view.choose("settings")
    made.view.chosen.emit("settings")
    assert made._said.text() == "A shaded cell is not as in A, the first run."
    assert "-RATE = " in made.code.toPlainText()
    assert "+RATE = " in made.code.toPlainText()
    made.view.choose("answers")
    made.view.chosen.emit("answers")
    qtbot.waitUntil(lambda: len([one for one in made.findChildren(AnswersCard) if one.isVisible()]) == 12)
    assert nameless(made) == []
    made.close()


@pytest.mark.parametrize("ids", [{"one"}, set[str]()])
def test_the_menu_says_what_it_needs(window: MainWindow, pane: RunsPane, qtbot: QtBot, ids: set[str]) -> None:
    pane._list.choose(ids)
    window.show_pane("data")
    next(one for one in window.findChildren(QAction) if one.text() == "Compare Runs…").trigger()
    assert window.current_key() == "runs"
    assert [bar.text for bar in pane._notices.bars()] == ["1 run is chosen." if ids else "0 runs are chosen."]


def test_the_menu_compares_the_chosen_runs(window: MainWindow, pane: RunsPane, qtbot: QtBot) -> None:
    pane._list.choose({"one", "two"})
    window.show_pane("data")
    next(one for one in window.findChildren(QAction) if one.text() == "Compare Runs…").trigger()
    assert len(pane.findChildren(CompareWindow)) == 1
    made = pane.findChildren(CompareWindow)[0]
    assert made.windowFlags() & Qt.WindowType.Window
    qtbot.waitUntil(lambda: made._said.isHidden())
    made.close()


def test_a_run_that_is_gone_is_said(pane: RunsPane, data_home: Path, qtbot: QtBot) -> None:
    pane._list.choose({"one", "two"})
    (data_home / "runs" / "two" / "config.yaml").unlink()
    pane.compare.click()
    made = pane.findChildren(CompareWindow)[-1]
    qtbot.waitUntil(lambda: "has lost its settings" in made._said.text())
    made.close()
