"""The first line of a completion's card: its rewards, how it ended, its length and its advantage."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from droid_tune import words
from droid_tune.events import Completion
from droid_tune.metrics import describe
from ui.panes.rollouts.cards.advantage_bar import AdvantageBar
from ui.widgets.basics import label, row
from ui.widgets.episode_view import CUTS
from ui.widgets.state_chip import Chip, reward_tone

_LEFT_OUT = (
    "No weight learnt from it: it was cut off, or is one of those that Completions trained on leaves out"
)
_CUT_OFF = ("Cut off", "It reached the longest length allowed before it ended by itself")


class CardHead(QWidget):
    """Shows one completion after another in the same parts: to make them anew takes the window ten times as long."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        head = row(self, spacing=6)
        self._number = label("", "secondary", parent=self)
        self._total = Chip(self)
        self._parts: list[Chip] = []
        self._chips = row(spacing=6)
        self._cut = Chip(self)
        self._length = label("", "small", parent=self)
        self._bar = AdvantageBar(self)
        self._advantage = label("", "small", parent=self)
        self._advantage.setMinimumWidth(38)
        self._advantage.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        head.addWidget(self._number)
        head.addSpacing(4)
        head.addWidget(self._total)
        head.addLayout(self._chips)
        head.addStretch(1)
        for part in (self._cut, self._length, self._bar, self._advantage):
            head.addWidget(part)

    def show_completion(
        self, number: int, one: Completion, widest: float | None, parts: Mapping[str, float | None]
    ) -> None:
        """`parts` of the reward get a chip each; no advantage where `widest` is None."""
        self._number.setText(f"{number}")
        self._total.show_chip(f"Reward {words.metric('reward', one.reward)}", *reward_tone(one.reward))
        self._show_parts(parts)
        self._show_cut(one)
        self._length.setText(words.count(one.length, "token"))
        self._advantage.setVisible(widest is not None)
        self._advantage.setText(words.advantage(one.advantage) if widest is not None else "")
        self._advantage.setToolTip(_LEFT_OUT if one.advantage is None else "")
        self._bar.setVisible(widest is not None and one.advantage is not None)
        if widest is not None and one.advantage is not None:
            self._bar.show_advantage(one.advantage, widest)

    def _show_parts(self, parts: Mapping[str, float | None]) -> None:
        while len(self._parts) < len(parts):
            made = Chip(self)
            self._parts.append(made)
            self._chips.addWidget(made)
        for spare in self._parts[len(parts) :]:
            spare.hide()
        for chip, (name, value) in zip(self._parts, parts.items(), strict=False):
            shown = words.metric("reward", value) if value is not None else "n/a"
            chip.show_chip(f"{describe(f'rewards/{name}/mean').label} {shown}", *reward_tone(value))
            chip.show()

    def _show_cut(self, one: Completion) -> None:
        told = CUTS[one.cut] if one.cut else _CUT_OFF if one.finish_reason == "length" else None
        self._cut.setVisible(told is not None)
        if told is not None:
            self._cut.show_chip(told[0], "warning", "warning_soft")
            self._cut.setToolTip(told[1])
