"""Episodes turn by turn: what the model said and called, what came back untrained, which calls failed, what was cut."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QTextDocumentFragment
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.events import PlayedCall, PlayedTurn
from droid_tune.names import EpisodeCut
from tests.ui.recording import episode, heard, said
from ui.panes.rollouts.cards.completion_card import CompletionCard
from ui.widgets.episode_view import (
    CUTS,
    MANY,
    EpisodeView,
    HeardTurn,
    SaidTurn,
    call_in_words,
    episode_in_words,
    spoken,
)
from ui.widgets.lists.finder import found_in
from ui.widgets.texts.text_page import TextPage


def drawn(qtbot: QtBot, *turns: PlayedTurn) -> EpisodeView:
    made = EpisodeView(turns, None)  # pyright: ignore[reportArgumentType]
    qtbot.addWidget(made)
    return made


def texts(widget: QWidget) -> list[str]:
    return [shown.text() for shown in widget.findChildren(QLabel)]


def test_turns_come_in_their_order_and_the_environment_s_say_that_they_are_not_trained(qtbot: QtBot) -> None:
    made = drawn(qtbot, *episode("right").turns)
    kinds = [type(one) for one in made.children() if isinstance(one, (SaidTurn, HeardTurn))]
    assert kinds == [SaidTurn, HeardTurn, SaidTurn, HeardTurn, SaidTurn]
    for one in made.findChildren(HeardTurn):
        assert any("not trained" in text for text in texts(one))
        assert one.property("role") == "inset"
    for one in made.findChildren(SaidTurn):
        assert not any("not trained" in text for text in texts(one))


def test_a_call_stands_there_with_its_arguments_and_its_result_below(qtbot: QtBot) -> None:
    shown = texts(drawn(qtbot, *episode("right").turns))
    place = shown.index('price(item="pears")')
    assert "Result of price" in shown[place:]
    assert "38" in shown[place:]


def test_thoughts_stand_apart_from_what_is_said(qtbot: QtBot) -> None:
    shown = texts(drawn(qtbot, said("<think>first this</think>Then that.")))
    assert "first this" in shown
    assert "Then that." in shown


def test_a_call_that_failed_says_so_and_why(qtbot: QtBot) -> None:
    made = drawn(qtbot, heard("", "price", failed="The tool ended without an answer."))
    assert {"Call failed", "The tool ended without an answer."} <= set(texts(made))
    assert "Call failed" not in texts(drawn(qtbot, heard("38", "price")))


def test_a_reason_that_the_model_reads_anyway_is_not_said_twice(qtbot: QtBot) -> None:
    shown = texts(drawn(qtbot, heard("no such tool", "cost", failed="no such tool")))
    assert shown.count("no such tool") == 1


def test_what_a_turn_earned_is_beside_it(qtbot: QtBot) -> None:
    assert "Turn 0.1" in texts(drawn(qtbot, said("x", reward=0.1)))


def test_a_long_result_is_folded_and_opened_by_its_button(qtbot: QtBot) -> None:
    made = drawn(qtbot, heard("x" * 5000))
    assert max(len(text) for text in texts(made)) < 1000
    made.findChildren(QPushButton)[0].click()
    assert [page.toPlainText() for page in made.findChildren(TextPage)] == ["x" * 5000]
    assert [place.widget for place in found_in(made, "x" * 4000)] == made.findChildren(TextPage)


def test_many_turns_are_folded_too(qtbot: QtBot) -> None:
    made = drawn(qtbot, *[said(f"turn {number}") for number in range(MANY + 5)])
    assert f"turn {MANY}" not in texts(made)
    made.findChildren(QPushButton)[0].click()
    assert f"turn {MANY + 4}" in texts(made)


def test_what_was_looked_for_stands_out_in_every_turn_and_nothing_that_has_it_is_folded(qtbot: QtBot) -> None:
    turns = [*episode("right").turns, *[said(f"turn {number}") for number in range(MANY)]]
    turns += [heard("x" * 5000 + " <b>Pears</b>"), said("none")]
    made = EpisodeView(turns, None, "pears")  # pyright: ignore[reportArgumentType]
    qtbot.addWidget(made)
    said_of_all = [*texts(made), *(page.text() for page in made.findChildren(TextPage))]
    found = [text for text in said_of_all if "<span" in text]
    assert [QTextDocumentFragment.fromHtml(text).toPlainText()[-13:] for text in found] == [
        'price(item="pears")'[-13:],
        " <b>Pears</b>",
    ]
    assert not any(one.isVisibleTo(made) for one in made.findChildren(QPushButton))
    assert "none" in texts(made)


def test_markup_and_control_characters_are_shown_as_they_stand(qtbot: QtBot) -> None:
    shown = texts(drawn(qtbot, heard("<b>bold</b> \x1b[31m", "<i>tool</i>")))
    assert "<b>bold</b> \u241b[31m" in shown
    assert "Result of <i>tool</i>" in shown


def test_a_call_is_written_as_in_a_program() -> None:
    assert call_in_words(PlayedCall(name="now")) == "now()"
    called = PlayedCall(name="price", arguments={"item": "Äpfel", "n": 2, "of": ["a"]})
    assert call_in_words(called) == 'price(item="Äpfel", n=2, of=["a"])'


def test_an_episode_in_words_counts_turns_calls_failures_and_waiting() -> None:
    assert episode_in_words(episode("right").turns) == "3 turns, 2 calls, tools 0.32 s"
    assert episode_in_words(episode("guess").turns) == "1 turn, 0 calls"
    assert episode_in_words(episode("cut").turns) == "2 turns, 2 calls, 2 failed"


def test_a_turn_in_one_line_is_what_is_said_and_called() -> None:
    assert spoken(episode("right").turns[0]) == 'I look at the list. price(item="pears")'
    assert spoken(PlayedTurn(role="assistant", text="")) == "(empty)"


@pytest.mark.parametrize("cut", list(CUTS))
def test_a_card_says_what_cut_an_episode(qtbot: QtBot, cut: EpisodeCut) -> None:
    one = episode("cut").model_copy(update={"cut": cut})
    card = CompletionCard(None)  # pyright: ignore[reportArgumentType]
    qtbot.addWidget(card)
    card.show_completion(1, one, 1.0)
    assert CUTS[cut][0] in texts(card)


def test_a_card_of_an_episode_has_its_turns_and_one_of_an_answer_has_its_text(qtbot: QtBot) -> None:
    card = CompletionCard(None)  # pyright: ignore[reportArgumentType]
    qtbot.addWidget(card)
    card.show_completion(1, episode("right"), 1.0)
    assert [view.isVisibleTo(card) for view in card.findChildren(EpisodeView)] == [True]
    assert any("2 calls" in text for text in texts(card))
    card.show_completion(2, episode("guess").model_copy(update={"turns": []}), 1.0)  # in its place
    assert not any(view.isVisibleTo(card) for view in card.findChildren(EpisodeView))
    assert "That is easy. The answer is 300." in texts(card)
