"""Asking the model before and after training."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from droid_tune.trial_report import AnswerVerdict
from tests.ui.fake_engine import FakeEngine
from tests.ui.recording import complete, write_run
from tests.ui.spoken_names import nameless
from ui.main_window import MainWindow
from ui.panes.playground.answer_column import earned_words
from ui.panes.playground.first_questions import first_prompts
from ui.panes.playground.pane import GIVEN_WAY, TRAINING, WAITING, PlaygroundPane
from ui.widgets.episode_view import EpisodeView
from ui.work.taking_turns import taking_turns


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
    assert "Answered without the environment." not in texts(pane)
    qtbot.waitUntil(pane._ask.isEnabled)
    pane._prompt.setPlainText("A puzzle that is in no row.")
    pane._ask.click()
    qtbot.waitUntil(lambda: texts(pane).count("Answered without the environment.") == 2)


def test_an_answer_that_used_tools_is_shown_turn_by_turn(pane: PlaygroundPane, qtbot: QtBot) -> None:
    pane._prompt.setPlainText("What do seven pears cost?")
    pane._ask.click()
    qtbot.waitUntil(lambda: len(pane.findChildren(EpisodeView)) == 2)
    qtbot.waitUntil(pane._ask.isEnabled)
    assert 'price(item="pears")' in texts(pane)
    assert "That is easy. The answer is 300." in texts(pane)


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


def seen(pane: PlaygroundPane) -> list[str]:
    return [made.text() for made in pane.findChildren(QLabel) if made.isVisibleTo(pane) and made.text()]


def test_a_pane_that_is_first_opened_while_a_run_trains_says_so(
    window: MainWindow, engine: FakeEngine, data_home: Path, qtbot: QtBot
) -> None:
    """Ask could be pressed, and the question was never answered nor given up."""
    write_run(data_home / "runs" / "done", complete(60))
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    engine.hold_at = 1
    window.session.train(window.session.draft.config())
    window.show_pane("playground")
    pane = window.pane("playground")
    assert isinstance(pane, PlaygroundPane)
    assert not pane._ask.isEnabled()
    assert TRAINING in seen(pane)
    window.session.stop()
    qtbot.waitUntil(pane._ask.isEnabled)
    assert TRAINING not in seen(pane)


def test_a_question_that_waits_says_so_and_one_that_a_run_ends_too(
    pane: PlaygroundPane, engine: FakeEngine, qtbot: QtBot
) -> None:
    with taking_turns():  # as a check has it
        pane._prompt.setPlainText("Hello?")
        pane._ask.click()
        qtbot.waitUntil(lambda: WAITING in seen(pane))
    qtbot.waitUntil(lambda: "a better answer" in texts(pane))
    qtbot.waitUntil(pane._ask.isEnabled)
    assert WAITING not in seen(pane)
    with taking_turns():
        pane._prompt.setPlainText("And now?")
        pane._ask.click()
        qtbot.waitUntil(lambda: WAITING in seen(pane))
        engine.hold_at = 1
        pane.session.train(pane.session.draft.config())
        assert seen(pane).count(GIVEN_WAY) == 2
        assert TRAINING in seen(pane)
        pane.session.stop()
    qtbot.waitUntil(pane._ask.isEnabled)


def test_the_runs_own_prompts_are_proposed(data_home: Path) -> None:
    folder = write_run(data_home / "runs" / "done", complete(60))
    assert len(set(first_prompts(folder))) == 3


def test_a_proposed_question_that_was_pressed_leaves_the_keys_in_the_question_field(
    pane: PlaygroundPane, window: MainWindow, qtbot: QtBot
) -> None:
    """Its button goes, and the keys would be Train's."""
    window.activateWindow()
    qtbot.waitUntil(lambda: pane._hint.prompts.count() == 3)
    proposed = pane._hint.prompts.itemAt(0).widget()
    assert isinstance(proposed, QPushButton)
    proposed.setFocus()
    proposed.click()
    assert window.focusWidget() is pane._prompt


def test_the_choices_stand_beside_one_another_in_the_smallest_window(
    pane: PlaygroundPane, window: MainWindow, qtbot: QtBot
) -> None:
    window.resize(window.minimumSize())
    window.show()
    qtbot.waitExposed(window)
    pane.asking.checkpoint.show()
    pane.asking.checkpoint.addItem("Best: held-out accuracy 93% at step 60")
    qtbot.waitUntil(lambda: pane.width() < 700)
    combos = [pane.asking.runs, pane.asking.checkpoint, pane.asking.temperature, pane.asking.length]
    for left, right in pairwise(combos):
        assert left.geometry().right() < right.geometry().left()
    assert combos[-1].geometry().right() <= pane.width()


def answer_texts(pane: PlaygroundPane) -> list[list[str]]:
    return [[part._text.text() for part in column.parts] for column in pane._answers]


def pick(pane: PlaygroundPane, number: int, qtbot: QtBot) -> None:
    qtbot.waitUntil(pane.asking.row.isEnabled)
    pane.asking.row.setCurrentIndex(number)
    pane.asking.row.activated.emit(number)


def test_held_out_rows_tell_right_from_wrong_with_the_rewards_beside(
    pane: PlaygroundPane, qtbot: QtBot
) -> None:
    pick(pane, 2, qtbot)
    prompt = pane._prompt.toPlainText()
    assert prompt
    pane._ask.click()
    qtbot.waitUntil(pane._ask.isEnabled)
    assert prompt in texts(pane)
    assert any(text.startswith("Right answer: ") for text in texts(pane))
    assert nameless(pane) == []
    before, after = pane._answers
    assert before.parts[0]._right.text() == "Wrong"
    assert after.parts[0]._right.text() == "Right"
    assert after.parts[0]._earned.text() == "reward 1 (accuracy 1, format 1)"
    assert after.parts[0]._earned.toolTip() == "read: 4"


def test_the_sum_of_rewards_is_told_only_where_each_could_judge() -> None:
    parts = {"accuracy": None, "format": 1.0}
    assert earned_words(AnswerVerdict(right=None, reward=0.2, parts=parts, why=""), None) == "format 1"
    assert (
        earned_words(AnswerVerdict(right=True, reward=1.0, parts={"mine": 1.0}, why=""), 3)
        == "reward 1 · seed 3"
    )


def test_another_column_is_another_checkpoint_where_there_is_one_run(
    pane: PlaygroundPane, data_home: Path, qtbot: QtBot
) -> None:
    folder = data_home / "runs" / "done" / "checkpoints"
    for step in (10, 20):
        (folder / f"step-{step:06d}").mkdir(parents=True, exist_ok=True)
    pane._show_runs()
    pane.asking.checkpoint._folder = None
    pane._show_runs()
    pane.asking.add_column()
    assert pane.asking.others[0].checkpoint.choice != pane.asking.checkpoint.choice
    assert len(set(pane.asking.names)) == 3


def test_a_row_whose_prompt_was_changed_has_no_known_answer(pane: PlaygroundPane, qtbot: QtBot) -> None:
    pick(pane, 1, qtbot)
    pane._prompt.setPlainText("Something else?")
    pane._ask.click()
    qtbot.waitUntil(pane._ask.isEnabled)
    assert not any(text.startswith("Right answer") for text in texts(pane))
    assert pane._answers[1].parts[0]._right.isHidden()


def test_several_samples_have_seeds_of_their_own_the_same_for_every_model(
    pane: PlaygroundPane, qtbot: QtBot
) -> None:
    assert not pane.asking.samples.isEnabled()  # greedy: one answer is all there is
    pane.asking.temperature.setCurrentIndex(2)
    pane.asking.samples.setCurrentIndex(pane.asking.samples.findData(2))
    pane.asking.seed.setValue(7)
    pick(pane, 1, qtbot)
    pane._ask.click()
    qtbot.waitUntil(pane._ask.isEnabled)
    assert answer_texts(pane) == [
        ["an answer with seed 7", "an answer with seed 8"],
        ["a better answer with seed 7", "a better answer with seed 8"],
    ]
    assert pane._answers[1]._sum.text() == "2 of 2 right"
    assert pane._answers[0]._sum.text() == "0 of 2 right"


def test_other_checkpoints_answer_in_columns_of_their_own_by_the_same_model(
    window: MainWindow, pane: PlaygroundPane, engine: FakeEngine, data_home: Path, qtbot: QtBot
) -> None:
    for step in (20, 40):
        (data_home / "runs" / "done" / "checkpoints" / f"step-{step:06d}").mkdir(exist_ok=True)
    pane.asking.more.click()
    other = pane.asking.others[0]
    qtbot.waitUntil(lambda: other.checkpoint.findData("20") >= 0)
    other.checkpoint.setCurrentIndex(other.checkpoint.findData("20"))
    pane._prompt.setPlainText("Hello?")
    pane._ask.click()
    qtbot.waitUntil(pane._ask.isEnabled)
    assert answer_texts(pane) == [["an answer"], ["a better answer"], ["a better answer of step 20"]]
    assert engine.asked == [
        (data_home / "runs" / "done", "last")
    ]  # one model in memory, another checkpoint put into it
    assert pane._answers[2].accessibleName().endswith("Checkpoint of step 20")


def test_another_run_is_loaded_after_the_first_and_columns_can_go(
    window: MainWindow, pane: PlaygroundPane, engine: FakeEngine, data_home: Path, qtbot: QtBot
) -> None:
    write_run(data_home / "runs" / "other", complete(40), steps=40)
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    for _ in range(2):
        pane.asking.more.click()
    assert not pane.asking.more.isEnabled()  # four columns
    pane.asking.others[1].removed.emit()
    assert pane.asking.more.isEnabled()
    chosen = pane.asking.runs.currentData()
    other = pane.asking.others[0].runs
    other.setCurrentIndex(1 - other.findData(chosen))
    pane._prompt.setPlainText("Hello?")
    pane._ask.click()
    qtbot.waitUntil(pane._ask.isEnabled)
    assert [str(folder) for folder, _ in engine.asked] == [chosen, other.currentData()]
    assert len(pane._answers) == 3


def test_the_second_row_of_choices_fits_the_smallest_window_too(
    pane: PlaygroundPane, window: MainWindow, qtbot: QtBot
) -> None:
    window.resize(window.minimumSize())
    qtbot.waitUntil(lambda: pane.width() < 700)
    parts = [pane.asking.more, pane.asking.row, pane.asking.samples, pane.asking.seed]
    for left, right in pairwise(parts):
        assert left.geometry().right() < right.geometry().left()
    assert parts[-1].geometry().right() <= pane.width()
