"""Reading what the model wrote: filters, following, and text shown as it is."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.events import Completion, RolloutGroup
from droid_tune.runs.completions.preference_pairs import HandChoice, choices_in
from tests.ui.recording import recorded
from ui.main_window import MainWindow
from ui.panes.rollouts.by_step.pair_choice import PairChoice
from ui.panes.rollouts.by_step.step_groups import chosen_groups, held_out_summary, prompt_entry, summary_of
from ui.panes.rollouts.cards.advantage_bar import AdvantageBar
from ui.panes.rollouts.cards.completion_card import CompletionCard
from ui.panes.rollouts.pane import RolloutsPane
from ui.widgets.state_chip import reward_tone
from ui.widgets.texts.long_text import LongText


def card_of(one: Completion, widest: float | None = 1.0, parent: QWidget | None = None) -> CompletionCard:
    card = CompletionCard(parent)  # pyright: ignore[reportArgumentType]
    card.show_completion(1, one, widest)
    return card


def shown_in(card: CompletionCard) -> list[str]:
    return [made.text() for made in card.findChildren(QLabel) if made.isVisibleTo(card)]


def group(number: int, *rewards: float | None, cut: bool = False, held_out: bool = False) -> RolloutGroup:
    completions = [
        Completion(text="text", reward=reward, length=3, finish_reason="length" if cut else "stop")
        for reward in rewards
    ]
    return RolloutGroup(step=1, group=number, prompt=f"Q{number}", completions=completions, held_out=held_out)


GROUPS = [
    group(0, 1, 0),
    group(1, 1, 1),
    group(2, 0, 0, cut=True),
    group(3, None, None),
    group(4, 1, held_out=True),
]


def numbers(key: str) -> list[int]:
    return [one.group for one in chosen_groups(GROUPS, key)]


def test_filters_choose_and_order_the_groups() -> None:
    assert numbers("all") == [0, 1, 2, 3]
    assert numbers("best") == [1, 0, 2, 3]
    assert numbers("worst") == [3, 2, 0, 1]
    assert numbers("equal") == [1, 2, 3]
    assert numbers("cut") == [2]
    assert numbers("held_out") == [4]


def test_the_summary_counts_what_teaches_nothing() -> None:
    assert summary_of(GROUPS) == "4 prompts, 8 completions, 3 without signal"
    assert held_out_summary(GROUPS, 1) == "1 held-out prompt"
    assert held_out_summary(GROUPS, 100) == "1 of 100 held-out prompts"  # a part of the answers is kept


def test_an_entry_tells_the_mean_and_what_is_odd() -> None:
    assert prompt_entry(GROUPS[2]).detail == "mean 0 · no signal · 2 cut off"
    assert prompt_entry(GROUPS[3]).detail.startswith("no reward applies")


def test_a_completion_that_no_reward_judged_is_drawn_without_one(qtbot: QtBot) -> None:
    one = Completion(text="text", reward=None, rewards={"mine": None}, length=3, finish_reason="stop")
    card = card_of(one)
    qtbot.addWidget(card)
    assert card.accessibleName() == "Completion 1, reward –"
    shown = shown_in(card)
    assert ("Reward –" in shown, "Reward 0" in shown) == (True, False)
    assert not card.grab().isNull()


def test_one_judged_completion_among_unjudged_ones_teaches_nothing() -> None:
    assert (
        summary_of([group(0, None, 1), group(1, None, 0, 1)]) == "2 prompts, 5 completions, 1 without signal"
    )


def test_tones_follow_the_reward() -> None:
    assert [reward_tone(value)[0] for value in (1.0, 0.4, 0.0, None)] == [
        "good",
        "warning",
        "bad",
        "secondary",
    ]


def test_text_is_shown_literally(qtbot: QtBot) -> None:
    evil = "<b>bold</b> \x1b[31m \u202eabc & <img src=x>"
    one = Completion(text=evil, reward=1, length=3, finish_reason="stop")
    card = card_of(one)
    qtbot.addWidget(card)
    shown = shown_in(card)
    assert "<b>bold</b> ␛[31m ⟨U+202E⟩abc & <img src=x>" in shown


def test_the_pane_follows_the_run_until_someone_looks_back(window: MainWindow, qtbot: QtBot) -> None:
    state = window.session.shown
    state.apply_all(recorded(60, until=5))
    window.show_pane("rollouts")
    pane = window.pane("rollouts")
    assert isinstance(pane, RolloutsPane)
    view = pane.by_step
    assert view._step.text() == "Step 5"
    view._slider.setValue(1)
    assert view._step.text() == "Step 2"
    assert not view._follow.isChecked()
    state.apply_all(recorded(60, until=9, start_step=5))
    qtbot.waitUntil(lambda: view._slider.maximum() == 8)
    assert view._step.text() == "Step 2"
    view._set_following(True)
    assert view._step.text() == "Step 9"


def test_held_out_answers_are_summed_up_as_such_and_have_no_advantage(
    window: MainWindow, qtbot: QtBot
) -> None:
    state = window.session.shown
    state.apply_all(recorded(60, until=5))
    state.apply(group(0, 1.0, 0.0, held_out=True).model_copy(update={"step": 5}))
    window.show_pane("rollouts")
    view = window.pane("rollouts").by_step
    assert view._summary.text().startswith("4 prompts, 32 completions")
    view._filter.choose("held_out")
    view._filter.chosen.emit("held_out")
    assert view._summary.text() == "1 of 64 held-out prompts"

    def cards() -> list[CompletionCard]:
        return [card for card in view.findChildren(CompletionCard) if card.isVisibleTo(view)]

    qtbot.waitUntil(lambda: len(cards()) == 2)
    assert not [text for card in cards() for text in shown_in(card) if "0.00" in text]


def test_a_held_out_answer_has_no_advantage(qtbot: QtBot) -> None:
    one = Completion(text="text", reward=1.0, length=3, finish_reason="stop")
    for widest, shown in ((None, False), (1.0, True)):
        card = card_of(one, widest)
        qtbot.addWidget(card)
        assert any("0.00" in text for text in shown_in(card)) == shown


def test_a_completion_that_was_not_trained_on_says_so(qtbot: QtBot) -> None:
    one = Completion(text="text", reward=1.0, length=3, finish_reason="stop", advantage=None)
    card = card_of(one)
    qtbot.addWidget(card)
    assert "not trained on" in shown_in(card)
    assert not [bar for bar in card.findChildren(AdvantageBar) if bar.isVisibleTo(card)]
    card.show_completion(1, one.model_copy(update={"advantage": 0.0}), 1.0)
    assert "+0.00" in shown_in(card)
    assert [bar for bar in card.findChildren(AdvantageBar) if bar.isVisibleTo(card)]


def test_a_better_and_a_worse_completion_make_a_pair_that_is_kept(qtbot: QtBot, tmp_path: Path) -> None:
    page = QWidget()
    qtbot.addWidget(page)
    layout = QVBoxLayout(page)
    sampled = group(0, 1, 0, 0.5)
    cards = [card_of(one, parent=page) for one in sampled.completions]
    said = QLabel(page)
    choice = PairChoice(said, page)
    for card in cards:
        layout.addWidget(card)
        choice.watch(card)
    cards[1]._verdicts[True].click()  # of no group yet
    assert (choice.better, cards[1]._verdicts[True].isChecked()) == (None, False)
    choice.take(tmp_path, sampled, cards)
    cards[2]._verdicts[True].click()
    assert choices_in(tmp_path).by_group == {}
    assert choice._said.text() == "Now call another one worse."
    cards[0]._verdicts[False].click()
    assert choices_in(tmp_path).by_group == {(1, 0): HandChoice(step=1, group=0, chosen=2, rejected=0)}
    cards[0]._verdicts[True].click()  # it cannot be both
    assert (choice.better, choice.worse) == (0, None)
    again = PairChoice(said, page)
    again.take(tmp_path, sampled, cards)
    assert (again.better, again.worse) == (2, 0)
    assert cards[2]._verdicts[True].isChecked()


def test_a_card_that_can_be_judged_fits_beside_the_prompts_of_a_small_window(qtbot: QtBot) -> None:
    one = group(1, 0.2).completions[0].model_copy(update={"rewards": {"accuracy": 0.0, "format": 1.0}})
    page = QWidget()
    qtbot.addWidget(page)
    card = card_of(one, parent=page)
    assert card.minimumSizeHint().width() <= 512  # what a window of 1024 points leaves


def test_a_megabyte_is_shown_as_its_beginning_and_says_how_much_more_there_is(qtbot: QtBot) -> None:
    one = Completion(
        text="x" * 2**20, reward=1.0, rewards={}, advantage=0.0, length=9, finish_reason="length"
    )
    card = card_of(one)
    qtbot.addWidget(card)
    text = card.findChildren(LongText)[0]
    assert len(text._shown.text()) == 901
    text._more.click()
    assert text._page is not None
    assert text._page.text().endswith(
        f"({2**20 - 20_000:,} more characters: the table of completions exports them)"
    )
    assert len(text._page.text()) < 20_100
    card.show_completion(
        1, one.model_copy(update={"text": "short"}), 1.0
    )  # another one in its place is folded again
    assert (text._page, text._shown.text(), text._more.isVisibleTo(card)) == (None, "short", False)
