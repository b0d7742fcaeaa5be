"""Asking the model before and after training."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from tests.ui.fake_engine import FakeEngine
from tests.ui.recording import complete, write_run
from ui.main_window import MainWindow
from ui.panes.playground.pane import PlaygroundPane, first_prompts


@pytest.fixture
def pane(window: MainWindow, data_home: Path, qtbot: QtBot) -> PlaygroundPane:
    write_run(data_home / "runs" / "done", complete(60))
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    window.show_pane("playground")
    made = window.pane("playground")
    assert isinstance(made, PlaygroundPane)
    return made


def texts(pane: PlaygroundPane) -> list[str]:
    return [made.text() for made in pane.findChildren(QLabel)]


def test_both_answers_stand_side_by_side(pane: PlaygroundPane, qtbot: QtBot) -> None:
    pane._prompt.setPlainText("What is one <b>plus</b> one?")
    pane._ask.click()
    assert "What is one <b>plus</b> one?" in texts(pane)
    qtbot.waitUntil(lambda: "a better answer" in texts(pane))
    assert "an answer" in texts(pane)
    qtbot.waitUntil(pane._ask.isEnabled)


def test_an_empty_question_asks_nothing(pane: PlaygroundPane) -> None:
    pane._prompt.setPlainText("  \n")
    pane._ask.click()
    assert pane._thread is None


def test_a_run_that_trains_takes_the_memory(pane: PlaygroundPane, engine: FakeEngine, qtbot: QtBot) -> None:
    pane._prompt.setPlainText("Hello?")
    pane._ask.click()
    qtbot.waitUntil(lambda: "a better answer" in texts(pane))
    engine.hold_at = 1
    pane.session.train(pane.session.draft.config())
    assert pane._thread is None
    assert not pane._ask.isEnabled()
    pane.session.stop()
    qtbot.waitUntil(pane._ask.isEnabled)


def test_the_runs_own_prompts_are_proposed(data_home: Path) -> None:
    folder = write_run(data_home / "runs" / "done", complete(60))
    assert len(set(first_prompts(folder))) == 3


def test_the_choices_stand_beside_one_another_in_the_smallest_window(
    pane: PlaygroundPane, window: MainWindow, qtbot: QtBot
) -> None:
    window.resize(window.minimumSize())
    window.show()
    qtbot.waitExposed(window)
    pane._checkpoint.show()
    pane._checkpoint.addItem("Best: held-out accuracy 93% at step 60")
    qtbot.waitUntil(lambda: pane.width() < 700)
    combos = [pane._runs, pane._checkpoint, pane._temperature, pane._length]
    for left, right in pairwise(combos):
        assert left.geometry().right() < right.geometry().left()
    assert combos[-1].geometry().right() <= pane.width()
