"""Held-out prompts with their answers before training and now: what was won, and what was lost."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from droid_tune import words
from droid_tune.report.outcome import SHOWN_PROMPTS, telling
from droid_tune.report.story import Story, Told
from ui.theme import mono_font
from ui.widgets.basics import clear, column, frame, label, row, selectable
from ui.widgets.segmented import Segmented
from ui.widgets.state_chip import Chip

KINDS = (("telling", "Most Telling"), ("won", "Won"), ("lost", "Lost"), ("same", "Unchanged"))
#: characters of a text on this page; all of it stands in Rollouts
LONGEST = 1_200


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
        for one in shown:
            self._cards.addWidget(ToldCard(one, self))
        self._said.setText(_sentence(self._story, self.kind.key, len(shown)))


def _sentence(story: Story, kind: str, shown: int) -> str:
    """How many there are, or why there are none."""
    if not story.told:
        return _why_none(story)
    if not shown:
        none = {"won": "None is answered better than before.", "lost": "None was answered better before."}
        return none.get(kind, "Every one of them earns another reward than before.")
    counts = f"{len(story.won):,} won, {len(story.lost):,} lost, {len(story.same):,} unchanged"
    return f"Of {words.count(len(story.told), 'held-out prompt')}: {counts}. Shown are {shown:,}."


def _why_none(story: Story) -> str:
    if not story.state.rollouts and "reward" not in story.state.series:
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


class ToldCard(QFrame):
    """A prompt over its two answers."""

    def __init__(self, one: Told, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        lines = column(self, spacing=8)
        lines.setContentsMargins(14, 10, 14, 12)
        head = row(spacing=10)
        prompt = selectable(label(_text(one.prompt), "strong", parent=self, wrap=True))
        head.addWidget(prompt, 1)
        name, tone = (
            ("Won", "good") if one.change > 0 else ("Lost", "bad") if one.change < 0 else ("", "secondary")
        )
        if name:
            head.addWidget(Chip(self, name, tone, f"{tone}_soft"), 0, Qt.AlignmentFlag.AlignTop)
        lines.addLayout(head)
        if one.answer is not None:
            lines.addWidget(
                selectable(label(f"Right answer: {_text(one.answer)}", "small", parent=self, wrap=True))
            )
        sides = row(spacing=12)
        sides.addLayout(self._side("Before", one.before, one.before_reward), 1)
        sides.addLayout(self._side("Now", one.after, one.after_reward), 1)
        lines.addLayout(sides)
        self.setAccessibleName(f"{name or 'Unchanged'}: {words.shortened(words.literal(one.prompt), 80)}")

    def _side(self, title: str, text: str, reward: float | None) -> QVBoxLayout:
        side = column(spacing=4)
        earned = "no reward" if reward is None else f"reward {words.number(reward)}"
        side.addWidget(label(f"{title} · {earned}", "caption", parent=self))
        box = frame("inset", self)
        inside = column(box, margins=10)
        said = selectable(label(_text(text) or "(empty)", parent=box, wrap=True))
        said.setFont(mono_font())
        said.setAccessibleName(f"{title}: {words.shortened(words.literal(text), 120)}")
        inside.addWidget(said)
        side.addWidget(box)
        side.addStretch(1)
        return side


def _text(text: str) -> str:
    shown = words.literal(text.strip())
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
