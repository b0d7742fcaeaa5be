"""An episode turn by turn: what the model wrote, the calls it made, what came back, and what was no part of the learning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from droid_tune import words
from droid_tune.events import PlayedCall, PlayedTurn
from droid_tune.names import EpisodeCut
from ui.widgets.basics import button, column, frame, label, row, selectable
from ui.widgets.state_chip import Chip
from ui.widgets.texts.long_text import has_sought, long_text
from ui.widgets.texts.parted_text import parted

#: characters of a turn before "Show all"
LONG = 600
#: turns that are laid out before "Show all turns"
MANY = 12
CUTS: dict[EpisodeCut, tuple[str, str]] = {
    "turns": ("Cut: turns", "It still called a tool in the last turn that it had"),
    "tokens": ("Cut: tokens", "It reached the longest length allowed before it ended by itself"),
    "time": ("Cut: time", "The tools or the environment took longer than an episode may"),
    "failed": ("Failed", "The environment failed in this episode"),
}


class EpisodeView(QWidget):
    """The turns behind a prompt, from top to bottom; the environment's are set in and say that they are not trained on.
    What was looked for stands out in them."""

    def __init__(self, turns: Sequence[PlayedTurn], parent: QWidget, sought: str = "") -> None:
        super().__init__(parent)
        self._turns, self._sought = turns, sought
        self._lines = column(self, spacing=6)
        for turn in turns[:MANY]:
            self._add(turn)
        if len(turns) > MANY:
            self._more = button(f"Show all {len(turns)} turns", "quiet", parent=self)
            self._more.clicked.connect(self._show_rest)
            self._lines.addWidget(self._more, 0, Qt.AlignmentFlag.AlignLeft)
            if any(has_sought(_whole(turn), sought) for turn in turns[MANY:]):
                self._show_rest()

    def _add(self, turn: PlayedTurn) -> None:
        kind = SaidTurn if turn.role == "assistant" else HeardTurn
        self._lines.addWidget(kind(turn, self, self._sought))

    @Slot()
    def _show_rest(self) -> None:
        self._more.hide()
        for turn in self._turns[MANY:]:
            self._add(turn)


class SaidTurn(QWidget):
    """A turn of the model's: thoughts, words, calls with their arguments."""

    def __init__(self, turn: PlayedTurn, parent: QWidget, sought: str) -> None:
        super().__init__(parent)
        self.setAccessibleName(f"The model: {spoken(turn)}")
        lines = column(self, spacing=4)
        apart = parted(turn.text)
        lines.addLayout(_head("Model", turn, self, words.count(turn.tokens, "token") if turn.tokens else ""))
        if apart.thoughts:
            lines.addWidget(long_text(apart.thoughts, LONG, "secondary", self, sought))
        if apart.said.strip():
            lines.addWidget(long_text(apart.said.strip(), LONG, "", self, sought))
        for call in turn.calls:
            lines.addWidget(_called(call, self, sought))
        if not (turn.text.strip() or turn.calls):
            lines.addWidget(label("(empty)", "secondary", parent=self))


class HeardTurn(QFrame):
    """A turn of the environment's: a tool's result, or what it said next. Red where the call failed."""

    def __init__(self, turn: PlayedTurn, parent: QWidget, sought: str) -> None:
        super().__init__(parent)
        self.setProperty("role", "inset")
        self.setAccessibleName(f"{_speaker(turn)}, not trained: {spoken(turn)}")
        lines = column(self, spacing=3)
        lines.setContentsMargins(12, 7, 10, 8)
        took = f"{words.pace(turn.seconds)} · not trained" if turn.seconds >= 0.05 else "not trained"
        lines.addLayout(_head(_speaker(turn), turn, self, took))
        if turn.failed and turn.failed != turn.text:
            lines.addWidget(selectable(label(words.literal(turn.failed), "fault", parent=self, wrap=True)))
        lines.addWidget(long_text(turn.text, LONG, "secondary", self, sought))


def _head(speaker: str, turn: PlayedTurn, parent: QWidget, aside: str) -> QHBoxLayout:
    """Who speaks, what became of the call, what the turn earned, and at the right how long it is or took."""
    head = row(spacing=6)
    head.addWidget(label(speaker, "caption", parent=parent))
    if turn.failed:
        head.addWidget(Chip(parent, "Call failed", "bad", "bad_soft"))
    if turn.reward is not None:
        tone = ("good", "good_soft") if turn.reward > 0 else ("secondary", "raised")
        head.addWidget(Chip(parent, f"Turn {words.metric('reward', turn.reward)}", *tone))
    if turn.shortened:
        head.addWidget(Chip(parent, "Shortened here", "secondary", "raised"))
    head.addStretch(1)
    head.addWidget(label(aside, "caption", parent=parent))
    return head


def _called(call: PlayedCall, parent: QWidget, sought: str) -> QFrame:
    """A call as it would be written in a program."""
    box = frame("call", parent)
    line = row(box, spacing=8)
    line.setContentsMargins(10, 5, 10, 5)
    line.addWidget(label("Call", "caption", parent=box), 0, Qt.AlignmentFlag.AlignTop)
    line.addWidget(long_text(call_in_words(call), LONG, "", box, sought), 1)
    return box


def _whole(turn: PlayedTurn) -> str:
    """All that is shown of a turn."""
    return "\n".join([turn.text, *map(call_in_words, turn.calls)])


def _speaker(turn: PlayedTurn) -> str:
    if turn.role == "tool":
        return f"Result of {words.literal(turn.name)}" if turn.name else "Result"
    return "Environment"


def call_in_words(call: PlayedCall) -> str:
    """`price(item="pears")`: a call as it would be written in a program."""
    told = ", ".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in call.arguments.items()
    )
    return f"{call.name}({told})"


def spoken(turn: PlayedTurn) -> str:
    """The turn in one line: for lists, and for who listens."""
    calls = " ".join(call_in_words(call) for call in turn.calls)
    said = " ".join(part for part in (parted(turn.text).said.strip(), calls) if part) or turn.text.strip()
    return words.literal(words.shortened(said, 200, "…")) or "(empty)"


def cut_in_words(cut: EpisodeCut) -> str:
    """`cut: turns`, inside a line."""
    said = CUTS[cut][0]
    return said[0].lower() + said[1:]


def cut_chip(cut: EpisodeCut, parent: QWidget) -> Chip:
    """What ended an episode that did not end by itself."""
    said, why = CUTS[cut]
    made = Chip(parent, said, "warning", "warning_soft")
    made.setToolTip(why)
    return made


def calls_of(turns: Iterable[PlayedTurn]) -> tuple[int, int]:
    """How many calls were tried, and how many of them failed: those that could not be read are among both."""
    made = failed = 0
    for turn in turns:
        unread = bool(turn.failed) and not turn.name
        made += len(turn.calls) + unread
        failed += bool(turn.failed)
    return made, failed


def episode_in_words(turns: Sequence[PlayedTurn]) -> str:
    """`3 turns, 4 calls, 1 failed, tools 0.4 s`: what a whole episode came to."""
    said = [turn for turn in turns if turn.role == "assistant"]
    calls, failed = calls_of(turns)
    waited = sum(turn.seconds for turn in turns if turn.role != "assistant")
    parts = [words.count(len(said), "turn"), words.count(calls, "call")]
    parts += [f"{failed} failed"] if failed else []
    parts += [f"tools {words.pace(waited)}"] if waited >= 0.05 else []
    return ", ".join(parts)
