"""Held-out prompts with their answers before training and now: what was won, and what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from droid_tune import words
from droid_tune.report.outcome import SHOWN_PROMPTS, telling
from droid_tune.report.story import Story, Told
from ui.one_run.answers_card import AnswersCard, CardSide
from ui.widgets.basics import clear, column, label, row
from ui.widgets.one_by_one import OneByOne
from ui.widgets.segmented import Segmented

KINDS = (("telling", "Most Telling"), ("won", "Won"), ("lost", "Lost"), ("same", "Unchanged"))


class ThenAndNow(QWidget):
    """Ten of a kind; without answers from before it says why there are none."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._story: Story | None = None
        lines = column(self, spacing=10)
        head = row(spacing=10)
        head.addWidget(label("Held-out prompts, then and now", "heading", parent=self))
        head.addStretch(1)
        self.kind = Segmented(KINDS, self, "Which prompts")
        self.kind.chosen.connect(self._draw)
        head.addWidget(self.kind)
        lines.addLayout(head)
        self._said = label("", "secondary", parent=self, wrap=True)
        lines.addWidget(self._said)
        self._cards = column(spacing=10)
        lines.addLayout(self._cards)
        self._drawing = OneByOne(self)

    def show_story(self, story: Story) -> None:
        """Of another run, or of the same one after it went on."""
        self._story = story
        self.kind.setVisible(bool(story.told))
        for key, told in (("won", story.won), ("lost", story.lost), ("same", story.same)):
            title = dict(KINDS)[key]
            self.kind.retitle(key, f"{title} {len(told):,}")
        self.kind.choose("telling")
        self._draw()

    def shown(self) -> Sequence[Told]:
        """The prompts that are shown."""
        story = self._story
        if story is None:
            return ()
        kinds = {"won": story.won, "lost": story.lost, "same": story.same}
        return kinds.get(self.kind.key, telling(story))[:SHOWN_PROMPTS]

    @Slot()
    def _draw(self) -> None:
        clear(self._cards)
        if self._story is None:
            return
        shown = self.shown()
        self._said.setText(_sentence(self._story, self.kind.key, len(shown)))
        self._drawing.begin([partial(self._add, one) for one in shown])

    def _add(self, one: Told) -> None:
        self._cards.addWidget(told_card(one, self))


def _sentence(story: Story, kind: str, shown: int) -> str:
    """How many there are, or why there are none."""
    if not story.told:
        return _why_none(story)
    if not shown:
        none = {"won": "None is answered better than before.", "lost": "None was answered better before."}
        return none.get(kind, "None is answered as well as before.")
    counts = f"{len(story.won):,} won, {len(story.lost):,} lost, {len(story.same):,} unchanged"
    return f"Of {words.count(len(story.told), 'held-out prompt')}: {counts}. Shown are {shown:,}."


def _why_none(story: Story) -> str:
    if story.state.step == 0:
        return "It ended before its first step: there is no model after training to compare with."
    if not story.state.rollouts.by_step and "reward" not in story.state.series:
        return (
            "This method samples no answers while it trains, so none were kept. Try It asks the model before training "
            "and now, side by side."
        )
    if story.before is None:
        return "It was not evaluated before its first step, so there is nothing to compare with. Try It asks both."
    if story.after is None:
        return "It was not evaluated on held-out rows after its first step."
    return (
        "No answers to held-out rows were kept with this run. Try It asks the model before training and now."
    )


def told_card(one: Told, parent: QWidget) -> AnswersCard:
    """A prompt with its answers before and now, and whether that was won or lost."""
    verdict = ("Won", "good") if one.change > 0 else ("Lost", "bad") if one.change < 0 else ("", "")
    sides = (CardSide("Before", one.before, one.before_reward), CardSide("Now", one.after, one.after_reward))
    return AnswersCard(one.prompt, one.answer, sides, parent, verdict)
