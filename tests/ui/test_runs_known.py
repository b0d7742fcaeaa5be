"""What is known of runs reaches every pane: those of a terminal, and another name."""

from __future__ import annotations

from pathlib import Path

from pytestqt.qtbot import QtBot

from tests.ui.fake_engine import FakeEngine
from tests.ui.recording import complete, write_run
from ui.main_window import MainWindow


def test_a_run_that_a_terminal_made_is_listed_without_a_restart(
    window: MainWindow, data_home: Path, qtbot: QtBot
) -> None:
    write_run(data_home / "runs" / "one", complete(3))
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    write_run(data_home / "runs" / "two", complete(3))  # by somebody else: nobody tells the window
    qtbot.waitUntil(lambda: {run.id for run in window.session.runs} == {"one", "two"})


def test_the_very_first_run_is_listed_while_it_trains(
    window: MainWindow, data_home: Path, qtbot: QtBot
) -> None:
    assert not (data_home / "runs").exists()
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    write_run(data_home / "runs" / "one", complete(3))
    qtbot.waitUntil(lambda: [run.id for run in window.session.runs] == ["one"])


def test_another_name_reaches_what_is_shown(
    window: MainWindow, engine: FakeEngine, data_home: Path, qtbot: QtBot
) -> None:
    folder = write_run(data_home / "runs" / "one", complete(3))
    with qtbot.waitSignal(window.session.shown_changed):
        window.session.show_run(folder)
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.rename_run(folder, "Better")
    assert engine.renamed == [(folder, "Better")]
    assert window.session.shown.name == "Better"
