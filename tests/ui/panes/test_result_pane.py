"""The result of a run that ended: before and after, what was won and lost, and what can be done now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from droid_tune.bounds import wilson
from droid_tune.events import Evaluation, Event, RunFinished, Step
from tests.ui.fake_engine import FakeEngine
from tests.ui.recording import complete, recorded, started, write_run
from ui.main_window import MainWindow
from ui.one_run.answers_card import AnswersCard
from ui.panes.result.pane import ResultPane
from ui.widgets.one_by_one import OneByOne


@pytest.fixture
def pane(window: MainWindow) -> ResultPane:
    window.show_pane("result")
    found = window.pane("result")
    assert isinstance(found, ResultPane)
    return found


def show(pane: ResultPane, folder: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(pane.session.runs_changed):
        pane.session.refresh_runs()
    pane.session.show_run(folder)
    qtbot.waitUntil(
        lambda: pane._card.isVisible() and not any(one.busy for one in pane.findChildren(OneByOne))
    )


def texts(pane: ResultPane) -> list[str]:
    return [one.text() for one in pane.findChildren(QLabel) if one.isVisible()]


def test_before_and_after_stand_with_what_chance_may_do(
    pane: ResultPane, data_home: Path, qtbot: QtBot
) -> None:
    show(pane, write_run(data_home / "runs" / "done", complete(60, answered=True)), qtbot)
    said = next(text for text in texts(pane) if text.startswith("Held-out accuracy came"))
    assert "from 22% to 89%" in said
    assert said.endswith("That is more than chance.")
    least, most = wilson(0.89, 64)
    assert f"{least:.0%} to {most:.0%}" in texts(pane)
    assert "step 60" in texts(pane)  # the best checkpoint
    assert "Before: 22%" in pane._card.bar.accessibleDescription()


def test_what_was_lost_is_shown_as_well_as_what_was_won(
    pane: ResultPane, data_home: Path, qtbot: QtBot
) -> None:
    show(pane, write_run(data_home / "runs" / "done", complete(60, answered=True)), qtbot)
    answers = pane._answers
    story = answers._story
    assert story is not None
    assert (len(story.won), len(story.lost), len(story.same)) == (8, 1, 3)
    assert f"+{len(story.won)} −{len(story.lost)}" in texts(pane)
    shown = answers.shown()
    assert len(shown) == 10
    assert shown[0].change < 0 < shown[1].change  # lost and won in turn
    qtbot.waitUntil(lambda: len(visible_cards(pane)) == 10)
    answers.kind.choose("lost")
    answers.kind.chosen.emit("lost")
    qtbot.waitUntil(lambda: len(visible_cards(pane)) == 1)
    assert "Lost" in texts(pane)


def visible_cards(pane: ResultPane) -> list[AnswersCard]:
    return [card for card in pane.findChildren(AnswersCard) if card.isVisible()]


def imitation() -> Iterator[Event]:
    begun = started(4)
    yield begun.model_copy(update={"config": {**begun.config, "method": {"type": "sft"}}})
    yield Evaluation(step=0, metrics={"eval/loss": 3.0, "eval/perplexity": 20.1}, rows=40)
    for step in range(1, 5):
        yield Step(step=step, metrics={"loss": 3.0 / step})
    yield Evaluation(step=4, metrics={"eval/loss": 1.0, "eval/perplexity": 2.7}, rows=40)
    yield RunFinished(outcome="completed", step=4)


def preferring() -> Iterator[Event]:
    begun = started(4)
    yield begun.model_copy(update={"config": {**begun.config, "method": {"type": "dpo"}}})
    yield Evaluation(step=0, metrics={"eval/preference_accuracy": 0.5}, rows=40)
    for step in range(1, 5):
        yield Step(step=step, metrics={"loss": 0.7 / step, "rewards/margins": 0.1 * step})
    yield Evaluation(step=4, metrics={"eval/preference_accuracy": 0.95}, rows=40)
    yield RunFinished(outcome="completed", step=4)


def test_a_supervised_run_tells_its_held_out_loss(pane: ResultPane, data_home: Path, qtbot: QtBot) -> None:
    show(pane, write_run(data_home / "runs" / "imitates", imitation(), steps=4), qtbot)
    found = texts(pane)
    assert any(text.startswith("Held-out loss came from 3 to 1") for text in found)
    assert not pane._card.bar.isVisible()  # a loss is no share that was counted
    assert "0.75" in found  # its own loss at the end
    assert any("samples no answers" in text for text in found)


def test_a_preference_run_tells_how_often_it_prefers_rightly(
    pane: ResultPane, data_home: Path, qtbot: QtBot
) -> None:
    show(pane, write_run(data_home / "runs" / "prefers", preferring(), steps=4), qtbot)
    found = texts(pane)
    assert any("from 50% to 95%" in text for text in found)
    assert pane._card.bar.isVisible()
    assert "from 0.1" in found  # the margin


def test_a_run_that_is_watched_to_its_end_turns_the_window_to_its_result(
    engine: FakeEngine, window: MainWindow, qtbot: QtBot
) -> None:
    window.show_pane("monitor")
    window.session.draft.set("training.iterations", 3)
    window.train()
    assert window.current_key() == "monitor"
    qtbot.waitUntil(lambda: window.current_key() == "result")
    pane = window.pane("result")
    assert isinstance(pane, ResultPane)
    qtbot.waitUntil(pane._card.isVisible)
    qtbot.waitUntil(lambda: pane._actions["further"].isVisible())


@pytest.mark.parametrize("elsewhere", ["rollouts", "setup"])
def test_nobody_is_taken_away_from_another_pane(
    engine: FakeEngine, window: MainWindow, qtbot: QtBot, elsewhere: str
) -> None:
    window.session.draft.set("training.iterations", 3)
    window.train()
    window.show_pane(elsewhere)
    qtbot.waitUntil(lambda: not window.session.training)
    assert window.current_key() == elsewhere


def test_a_stopped_run_offers_to_go_on(pane: ResultPane, data_home: Path, qtbot: QtBot) -> None:
    folder = write_run(data_home / "runs" / "half", recorded(60, until=30), state="stopped")
    show(pane, folder, qtbot)
    qtbot.waitUntil(pane._actions["resume"].isVisible)
    assert not pane._actions["further"].isVisible()


def test_a_run_again_with_changes_fills_the_form(
    pane: ResultPane, window: MainWindow, data_home: Path, qtbot: QtBot
) -> None:
    folder = write_run(data_home / "runs" / "done", complete(60))
    show(pane, folder, qtbot)
    text = (folder / "config.yaml").read_text().replace("iterations: 60", "iterations: 77")
    (folder / "config.yaml").write_text(text)
    pane._actions["again"].click()
    assert window.current_key() == "setup"
    assert window.session.draft.config().training.iterations == 77


def test_a_run_that_trains_has_no_result_yet(
    engine: FakeEngine, window: MainWindow, pane: ResultPane
) -> None:
    engine.hold_at = 2
    window.train()
    window.show_pane("result")
    assert not pane._actions.isVisible()
    assert "No result yet" in texts(pane)
