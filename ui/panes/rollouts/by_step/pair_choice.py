"""A person's own preference in a group of completions: a better and a worse one make a pair, kept with the run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QLabel

from droid_tune.errors import UserError
from droid_tune.events import RolloutGroup
from droid_tune.runs.completions.preference_pairs import HandChoice, choices_in, choose
from ui.panes.rollouts.cards.completion_card import CompletionCard


class PairChoice(QObject):
    """What was called better and worse among a group's cards; with both the pair is written down.

    `said` tells what is missing.
    """

    def __init__(self, said: QLabel, parent: QObject) -> None:
        super().__init__(parent)
        self._said = said
        self._folder: Path | None = None
        self._group: RolloutGroup | None = None
        self._cards: Sequence[CompletionCard] = ()
        self.better: int | None = None
        self.worse: int | None = None

    def watch(self, card: CompletionCard) -> None:
        """A card that will show a completion of one group after another."""
        card.judged.connect(partial(self._judged, card))

    def forget(self) -> None:
        """No group's cards are there to be judged."""
        self._folder = self._group = None
        self._cards = ()
        self._said.setText("")

    def take(self, folder: Path, group: RolloutGroup, cards: Sequence[CompletionCard]) -> None:
        """From now on these cards, which show the group in its order, can be judged; what was said of them is shown."""
        self._folder, self._group, self._cards = folder, group, cards
        self.better, self.worse = self._kept(folder, group)
        self._show()

    def _kept(self, folder: Path, group: RolloutGroup) -> tuple[int | None, int | None]:
        try:
            known = choices_in(folder).by_group.get((group.step, group.group))
        except UserError:
            return None, None
        return (None, None) if known is None or not known.fits(group) else (known.chosen, known.rejected)

    def _judged(self, card: CompletionCard, better: bool) -> None:
        if card in self._cards:
            self.call(self._cards.index(card), better)
        else:
            card.show_verdict(None)  # it is about to show another completion

    def call(self, place: int, better: bool) -> None:
        """A person calls a completion the better or the worse one; the same cannot be both."""
        if better:
            self.better, self.worse = place, None if self.worse == place else self.worse
        else:
            self.worse, self.better = place, None if self.better == place else self.better
        fault = self._keep()
        self._show()
        if fault:
            self._said.setText(fault)

    def _keep(self) -> str:
        """Write the pair where there is one; what went wrong, in words."""
        group = self._group
        if group is None or self._folder is None or self.better is None or self.worse is None:
            return ""
        try:
            choose(
                self._folder,
                HandChoice(step=group.step, group=group.group, chosen=self.better, rejected=self.worse),
            )
        except UserError as error:
            return str(error)
        return ""

    def _show(self) -> None:
        for place, card in enumerate(self._cards):
            card.show_verdict(True if place == self.better else False if place == self.worse else None)
        if self.better is None and self.worse is None:
            self._said.setText("")
        elif self.better is None or self.worse is None:
            self._said.setText("Now call another one " + ("worse." if self.worse is None else "better."))
        else:
            self._said.setText(
                f"A pair: {self.better + 1} is better than {self.worse + 1}. “droid-tune pairs RUN” writes all pairs."
            )
