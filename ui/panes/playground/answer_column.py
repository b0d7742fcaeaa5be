"""The answers of one model: each with what the rewards say of it, right or wrong, piece by piece as they come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QWidget

from droid_tune import words
from ui.theme import mono_font
from ui.widgets.basics import column, label, line, prose, row, selectable
from ui.widgets.episode_view import EpisodeView, episode_in_words
from ui.widgets.state_chip import Chip

if TYPE_CHECKING:
    from droid_tune.events import PlayedTurn
    from droid_tune.trial_report import AnswerVerdict


class AnswerPart(QWidget):
    """One sample."""

    def __init__(self, seed: int | None, parent: QWidget) -> None:
        super().__init__(parent)
        lines = column(self, spacing=4)
        self._text = selectable(label("…", parent=self, wrap=True))
        self._text.setFont(mono_font())
        lines.addWidget(self._text)
        self._turns = column(spacing=6)
        lines.addLayout(self._turns)
        self._aside = prose("", "small", parent=self)
        self._aside.hide()
        lines.addWidget(self._aside)
        foot = row(spacing=8)
        self._right = Chip(self)
        self._right.hide()
        self._earned = label("" if seed is None else f"seed {seed}", "caption", parent=self, wrap=True)
        self._seed = seed
        foot.addWidget(self._right, 0, Qt.AlignmentFlag.AlignTop)
        foot.addWidget(self._earned, 1)
        lines.addLayout(foot)
        self._said, self._whole = "", False

    def add(self, piece: str) -> None:
        """The next piece of text."""
        self._said += piece
        self._text.setText(words.literal(self._said))

    def finish(self, said: str, turns: Sequence[PlayedTurn] = (), aside: str = "") -> None:
        """The whole answer in the place of its pieces, turn by turn where tools were used; `aside` is said below it."""
        self._whole = True
        self._aside.setText(words.literal(aside))
        self._aside.setVisible(bool(aside))
        self._said = said
        self._text.setText(words.literal(said) or "(empty)")
        self._text.setVisible(not turns)
        if turns:
            self._turns.addWidget(label(episode_in_words(turns), "small", parent=self, wrap=True))
            self._turns.addWidget(EpisodeView(turns, self))

    def give_up(self, why: str) -> None:
        """Nothing more comes; an answer that is whole stays as it is."""
        if not self._whole:
            self.finish(self._said or "…", aside=why)

    def judge(self, verdict: AnswerVerdict) -> None:
        """What the rewards say of it."""
        self._right.setVisible(verdict.right is not None)
        if verdict.right is not None:
            name, tone = ("Right", "good") if verdict.right else ("Wrong", "bad")
            self._right.show_chip(name, tone, f"{tone}_soft")
        self._earned.setText(earned_words(verdict, self._seed))
        self._earned.setToolTip(words.literal(verdict.why))


def earned_words(verdict: AnswerVerdict, seed: int | None) -> str:
    """`reward 1 (accuracy 1, format 1) · seed 3`, or `format 1 · seed 3` where accuracy could not judge: then the sum is none."""
    parts = [
        f"{words.literal(name)} {words.number(one)}" for name, one in verdict.parts.items() if one is not None
    ]
    whole = verdict.reward is not None and len(parts) == len(verdict.parts)
    earned = f"reward {words.number(verdict.reward)}" if whole and verdict.reward is not None else ""
    detail = ", ".join(parts)
    said = f"{earned} ({detail})" if earned and len(parts) > 1 else earned or detail
    return " · ".join(filter(None, (said, "" if seed is None else f"seed {seed}")))


class AnswerColumn(QFrame):
    """A card for one model; `seeds` one for each sample, none where a single one is drawn."""

    def __init__(self, title: str, seeds: Sequence[int | None], parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.setAccessibleName(title)
        lines = column(self, spacing=8)
        lines.setContentsMargins(14, 10, 14, 12)
        head = row(spacing=8)
        head.addWidget(label(title, "caption", parent=self, wrap=True), 1)
        self._sum = label("", "caption", parent=self)
        head.addWidget(self._sum, 0, Qt.AlignmentFlag.AlignTop)
        lines.addLayout(head)
        self.parts: list[AnswerPart] = []
        for place, seed in enumerate(seeds):
            if place:
                lines.addWidget(line(self))
            self.parts.append(AnswerPart(seed, self))
            lines.addWidget(self.parts[-1])
        lines.addStretch(1)

    def judge(self, verdicts: Sequence[AnswerVerdict]) -> None:
        """What the rewards say of each, and how many are right."""
        for part, verdict in zip(self.parts, verdicts, strict=False):
            part.judge(verdict)
        known = [one.right for one in verdicts if one.right is not None]
        if len(verdicts) > 1 and known:
            self._sum.setText(f"{sum(known)} of {len(known)} right")
