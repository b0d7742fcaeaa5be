"""A prompt over the answers to it, side by side: of one model then and now, or of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from droid_tune import words
from ui.theme import mono_font
from ui.widgets.basics import column, frame, label, row, selectable
from ui.widgets.state_chip import Chip

#: characters of a text here; all of it stands in Rollouts
LONGEST = 1_200


@dataclass(frozen=True)
class CardSide:
    """One answer, whose it is, and what it earned."""

    title: str
    text: str
    reward: float | None


class AnswersCard(QFrame):
    """`verdict` is a word in the corner with the theme's colour for it; empty for none."""

    def __init__(
        self,
        prompt: str,
        answer: str | None,
        sides: Sequence[CardSide],
        parent: QWidget,
        verdict: tuple[str, str] = ("", ""),
    ) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        lines = column(self, spacing=8)
        lines.setContentsMargins(14, 10, 14, 12)
        head = row(spacing=10)
        head.addWidget(selectable(label(_text(prompt), "strong", parent=self, wrap=True)), 1)
        said, tone = verdict
        if said:
            head.addWidget(Chip(self, said, tone, f"{tone}_soft"), 0, Qt.AlignmentFlag.AlignTop)
        lines.addLayout(head)
        if answer is not None:
            lines.addWidget(
                selectable(label(f"Right answer: {_text(answer)}", "small", parent=self, wrap=True))
            )
        beside = row(spacing=12)
        for side in sides:
            beside.addLayout(self._side(side), 1)
        lines.addLayout(beside)
        shortly = words.shortened(words.literal(prompt), 80)
        self.setAccessibleName(f"{said}: {shortly}" if said else shortly)

    def _side(self, one: CardSide) -> QVBoxLayout:
        side = column(spacing=4)
        earned = "no reward" if one.reward is None else f"reward {words.number(one.reward)}"
        side.addWidget(label(f"{one.title} · {earned}", "caption", parent=self, wrap=True))
        box = frame("inset", self)
        said = selectable(label(_text(one.text) or "(empty)", parent=box, wrap=True))
        said.setFont(mono_font())
        said.setAccessibleName(f"{one.title}: {words.shortened(words.literal(one.text), 120)}")
        column(box, margins=10).addWidget(said)
        side.addWidget(box)
        side.addStretch(1)
        return side


def _text(text: str) -> str:
    shown = words.literal(text.strip())
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
