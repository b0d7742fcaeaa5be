"""All runs: going on with one that has ended, and what the window offers for each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QGuiApplication
from pytestqt.qtbot import QtBot

from droid_tune.errors import UserError
from droid_tune.events import Step
from tests.ui.fake_engine import FakeEngine
from tests.ui.recording import complete, recorded, write_run
from ui.main_window import MainWindow
from ui.panes.playground.pane import PlaygroundPane
from ui.panes.runs.pane import RunsPane
from ui.panes.runs.run_curves import RunCurves
from ui.widgets.notice import NoticeBar
from ui.work.run_reading import read_run


@pytest.fixture
def pane(window: MainWindow) -> RunsPane:
    window.show_pane("runs")
    found = window.pane("runs")
    assert isinstance(found, RunsPane)
    return found


def list_runs(window: MainWindow, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()


def test_a_completed_run_is_trained_further_from_the_window(
    engine: FakeEngine, window: MainWindow, pane: RunsPane, data_home: Path, qtbot: QtBot
) -> None:
    folder = write_run(data_home / "runs" / "done", complete(6), steps=6)
    status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    (folder / "status.json").write_text(json.dumps({**status, "saved": 6}), encoding="utf-8")
    list_runs(window, qtbot)
    assert not pane._actions["resume"].isVisible()
    assert not pane._further.isVisible()
    pane._actions["further"].click()
    assert pane._further.isVisible()
    assert pane._further.steps == 6  # as many as it had
    pane._further.show_steps(3)
    pane._further.go()
    assert window.current_key() == "monitor"
    qtbot.waitUntil(lambda: window.session.live is not None and window.session.live.life == "completed")
    assert window.session.live is not None
    assert window.session.live.series["reward"].steps.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert window.session.live.total_steps == 9


def test_the_command_that_samples_from_a_result_is_the_engines(
    engine: FakeEngine, window: MainWindow, pane: RunsPane, data_home: Path, qtbot: QtBot
) -> None:
    folder = write_run(data_home / "runs" / "done", complete(6), steps=6)
    (folder / "adapters.safetensors").touch()
    list_runs(window, qtbot)

    def said() -> str:
        return " ".join(bar.text for bar in pane.findChildren(NoticeBar))

    pane._actions["copy"].click()
    qtbot.waitUntil(lambda: "The command is on the clipboard." in said())
    assert QGuiApplication.clipboard().text() == f"mlx_lm.generate --adapter-path {folder}"
    engine.failure = UserError("the model is not here")
    pane._actions["copy"].click()
    qtbot.waitUntil(lambda: "the model is not here" in said())


def test_a_stopped_run_is_resumed_not_trained_further(
    window: MainWindow, pane: RunsPane, data_home: Path, qtbot: QtBot
) -> None:
    write_run(data_home / "runs" / "half", recorded(60, until=30), state="stopped")
    list_runs(window, qtbot)
    assert pane._actions["resume"].isVisible()
    assert not pane._actions["further"].isVisible()


def test_a_run_is_tried_in_the_playground(
    window: MainWindow, pane: RunsPane, data_home: Path, qtbot: QtBot
) -> None:
    for name in ("one", "two"):
        write_run(data_home / "runs" / name, complete(60))
    list_runs(window, qtbot)
    for name in ("one", "two"):
        window.show_pane("runs")
        pane._list.choose({name})
        pane._actions["try"].click()
        assert window.current_key() == "playground"
        playground = window.pane("playground")
        assert isinstance(playground, PlaygroundPane)
        assert playground.asking.runs.currentData() == str(data_home / "runs" / name)


def test_choosing_another_run_puts_the_question_away(
    window: MainWindow, pane: RunsPane, data_home: Path, qtbot: QtBot
) -> None:
    write_run(data_home / "runs" / "one", complete(60))
    write_run(data_home / "runs" / "two", complete(60))
    list_runs(window, qtbot)
    pane._actions["further"].click()
    pane._list.choose({"one"})
    pane._list.choose({"two"})
    assert not pane._further.isVisible()


def test_a_run_goes_to_the_trash(
    window: MainWindow, pane: RunsPane, data_home: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real folder in a real trash (of the desktop's kind, in a temporary place)."""
    trash = data_home / "share"
    trash.mkdir()
    monkeypatch.setenv("XDG_DATA_HOME", str(trash))
    kept, gone = (write_run(data_home / "runs" / name, complete(60)) for name in ("kept", "gone"))
    list_runs(window, qtbot)
    window.session.show_run(gone)
    qtbot.waitUntil(lambda: window.session.shown_folder == gone)
    pane._list.choose({"gone"})
    with qtbot.waitSignal(window.session.runs_changed):
        pane._actions["trash"].click()
    assert not gone.exists()
    assert (trash / "Trash" / "files" / "gone" / "events.jsonl").exists()
    assert [run.folder for run in window.session.runs] == [kept]
    assert [run.id for run in pane._list.chosen()] == ["kept"]
    assert len(banner(pane)) == 1
    assert window.session.shown.life == "empty"


@pytest.mark.parametrize("way", ["banner", "menu"])
def test_runs_are_put_back_out_of_the_trash(
    window: MainWindow,
    pane: RunsPane,
    data_home: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    trash = data_home / "share"
    trash.mkdir()
    monkeypatch.setenv("XDG_DATA_HOME", str(trash))
    names = {"one", "two", "three"}
    for name in names:
        write_run(data_home / "runs" / name, complete(6), steps=6)
    list_runs(window, qtbot)
    pane._list.choose({"one", "two"})
    pane._list.view.setFocus()
    qtbot.keyClick(pane._list.view, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: [run.id for run in window.session.runs] == ["three"])
    if way == "banner":
        banner(pane)[0].chosen.emit("Put Back")
    else:
        menu_action(window, "Undo").trigger()
    qtbot.waitUntil(lambda: {run.id for run in window.session.runs} == names)
    assert list((trash / "Trash" / "files").iterdir()) == []
    assert list((trash / "Trash" / "info").iterdir()) == []
    assert banner(pane) == []
    assert not pane.put_back()  # there is nothing left to undo
    assert read_run(data_home / "runs" / "one").step == 6


def menu_action(window: MainWindow, text: str) -> QAction:
    return next(found for found in window.findChildren(QAction) if found.text() == text)


def test_a_run_that_cannot_be_moved_stays_with_one_sentence(
    window: MainWindow, pane: RunsPane, data_home: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_run(data_home / "runs" / "one", complete(60))
    list_runs(window, qtbot)
    monkeypatch.setattr("ui.panes.runs.run_trash.move_to_trash", lambda folder: None)
    pane._trash.throw_away(window.session.runs)
    assert folder.exists()
    assert [run.folder for run in window.session.runs] == [folder]
    assert len(banner(pane)) == 1


def banner(pane: RunsPane) -> list[NoticeBar]:
    return [bar for bar in pane._notices.findChildren(NoticeBar) if bar.isVisible()]


def test_a_run_without_rewards_is_drawn_by_its_loss_until_another_curve_is_chosen(
    window: MainWindow, pane: RunsPane, data_home: Path, qtbot: QtBot
) -> None:
    learnt = [Step(step=step, metrics={"loss": 1 / step}) for step in (1, 2)]
    write_run(data_home / "runs" / "imitates", iter(learnt), state="stopped")
    list_runs(window, qtbot)
    curves = pane.findChild(RunCurves)
    assert curves is not None
    qtbot.waitUntil(lambda: curves._metric.currentData() == "loss")
    curves._metric.setCurrentIndex(curves._metric.findData("entropy"))
    curves._metric.activated.emit(curves._metric.currentIndex())
    assert curves._metric.currentData() == "entropy"
