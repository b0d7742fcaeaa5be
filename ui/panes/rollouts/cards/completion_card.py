"""One sampled completion as a card: its text as it is, its rewards, its advantage, its length and how it ended."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QPushButton, QWidget

from droid_tune import words
from droid_tune.events import Completion, PlayedTurn
from ui.panes.rollouts.cards.card_head import CardHead
from ui.widgets.basics import button, column, label, row
from ui.widgets.episode_view import EpisodeView, episode_in_words
from ui.widgets.texts.long_text import LongText

#: characters shown before "Show all"
SHORT = 900


class CompletionCard(QFrame):
    """Shows one completion, then another in its place: the same parts are used again.

    A `brief` card, for a narrow place, has the whole reward without its parts. `judged` tells that a person calls it the
    better (True) or the worse one of its group.
    """

    judged = Signal(bool)

    def __init__(self, parent: QWidget, *, brief: bool = False) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self._brief = brief
        self.one: Completion | None = None
        layout = column(self, spacing=8)
        layout.setContentsMargins(14, 10, 14, 12)
        self._head = CardHead(self)
        self._episode = label("", "small", parent=self, wrap=True)
        self._text = LongText(SHORT, "", self)
        self._turns: EpisodeView | None = None
        self._verdicts = {better: self._verdict(better) for better in (True, False)}
        self._said = row(spacing=6)
        self._said.addWidget(self._text, 1)
        for part in self._verdicts.values():  # beside what wraps: a head of many rewards has no room to spare
            self._said.addWidget(part, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self._head)
        layout.addWidget(self._episode)
        layout.addLayout(self._said)

    def show_completion(self, number: int, one: Completion, widest: float | None) -> None:
        """`widest` is the largest advantage of the group, so that bars compare; None where there is none (held-out answers)."""
        self.one = one
        self.setAccessibleName(f"Completion {number}, reward {words.metric('reward', one.reward)}")
        self._head.show_completion(number, one, widest, {} if self._brief else one.rewards)
        self._episode.setText(episode_in_words(one.turns) if one.turns else "")
        self._episode.setVisible(bool(one.turns))
        for part in self._verdicts.values():
            part.setVisible(widest is not None)
        self.show_verdict(None)
        self._show_turns(one.turns)
        self._text.setVisible(not one.turns)
        if not one.turns:
            self._text.show_text(one.text)

    def _show_turns(self, turns: Sequence[PlayedTurn]) -> None:
        """What it wrote turn by turn, where it is an episode."""
        if self._turns is not None:
            self._turns.hide()
            self._turns.deleteLater()
            self._turns = None
        if turns:
            self._turns = EpisodeView(turns, self)
            self._said.insertWidget(0, self._turns, 1)

    def _verdict(self, better: bool) -> QPushButton:
        said = "Better" if better else "Worse"
        part = button(
            said, "segment", parent=self, help=f"The {said.lower()} one of a pair for DPO and its like"
        )
        part.setCheckable(True)
        part.clicked.connect(self._call_better if better else self._call_worse)
        return part

    def show_verdict(self, better: bool | None) -> None:
        """What a person said of it; None: nothing."""
        for own, part in self._verdicts.items():
            part.setChecked(own is better)

    @Slot()
    def _call_better(self) -> None:
        self.judged.emit(True)

    @Slot()
    def _call_worse(self) -> None:
        self.judged.emit(False)
