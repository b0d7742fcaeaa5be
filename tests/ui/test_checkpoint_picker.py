"""A checkpoint is chosen where a run is used: in the list of runs and in the playground."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from droid_tune.paths import RunPaths
from droid_tune.runs.best import best_kept
from tests.ui.fake_engine import FakeEngine
from tests.ui.recording import complete, write_run
from ui.main_window import MainWindow
from ui.panes.playground.pane import PlaygroundPane
from ui.panes.runs.pane import RunsPane


@pytest.fixture
def run(data_home: Path) -> Path:
    """Completed at step 60, with two older checkpoints; its status says no best, as those of older versions do."""
    folder = write_run(data_home / "runs" / "done", complete(60))
    for step in (20, 40, 60):
        (RunPaths(folder).checkpoints / f"step-{step:06d}").mkdir(parents=True, exist_ok=True)
    status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    (folder / "status.json").write_text(json.dumps({**status, "saved": 60}), encoding="utf-8")
    return folder


def shown(window: MainWindow, key: str, qtbot: QtBot) -> object:
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    window.show_pane(key)
    return window.pane(key)


def test_a_run_goes_on_from_the_checkpoint_that_is_chosen(
    run: Path, window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    pane = shown(window, "runs", qtbot)
    assert isinstance(pane, RunsPane)
    best = best_kept(run)
    assert best is not None
    picker = pane._facts.checkpoint
    qtbot.waitUntil(lambda: picker.findText(f"Best: {best}") == 1)
    assert [picker.itemData(place) for place in range(picker.count())] == ["last", "best", "60", "40", "20"]
    assert not pane._actions["resume"].isVisible()  # it was completed
    picker.setCurrentIndex(picker.findData("40"))
    picker.activated.emit(picker.currentIndex())
    pane._actions["resume"].click()
    qtbot.waitUntil(lambda: bool(engine.resumed))
    assert (engine.resumed[0].folder, engine.resumed[0].checkpoint) == (run, "40")


def test_the_playground_asks_the_checkpoint_that_is_chosen(
    run: Path, window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    pane = shown(window, "playground", qtbot)
    assert isinstance(pane, PlaygroundPane)
    picker = pane.asking.checkpoint
    qtbot.waitUntil(lambda: picker.findData("best") == 1)
    for choice in ("last", "best"):
        picker.setCurrentIndex(picker.findData(choice))
        qtbot.waitUntil(pane._ask.isEnabled)
        pane._prompt.setPlainText("2 + 2?")
        pane._ask.click()
        qtbot.waitUntil(
            lambda choice=choice: bool(engine.answerers) and engine.answerers[-1].turned[-1] == choice
        )
    qtbot.waitUntil(pane._ask.isEnabled)
