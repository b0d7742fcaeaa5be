"""A person's own preference in a group of completions: a better and a worse one make a pair, kept with the run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from droid_tune.errors import UserError
from droid_tune.events import RolloutGroup
from droid_tune.runs.completions.preference_pairs import HandChoice, choices_in, choose
from ui.panes.rollouts.completion_card import CompletionCard
from ui.widgets.basics import label


class PairChoice(QObject):
    """What was called better and worse among a group's cards; with both the pair is written down."""

    def __init__(
        self, folder: Path, group: RolloutGroup, cards: Sequence[CompletionCard], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._folder, self._group, self._cards = folder, group, cards
        self.better, self.worse = self._kept()
        self._said = label("", "small", parent=parent, wrap=True)
        layout = parent.layout()
        assert layout is not None
        layout.addWidget(self._said)
        for place, card in enumerate(cards):
            card.judged.connect(partial(self.call, place))
        self._show()

    def _kept(self) -> tuple[int | None, int | None]:
        try:
            known = choices_in(self._folder).get((self._group.step, self._group.group))
        except (OSError, ValueError, TypeError):
            return None, None
        return (None, None) if known is None else (known.chosen, known.rejected)

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
        if self.better is None or self.worse is None:
            return ""
        try:
            choose(self._folder, HandChoice(self._group.step, self._group.group, self.better, self.worse))
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
                f"A pair: {self.better + 1} is better than {self.worse + 1}. `droid-tune pairs RUN` writes all pairs."
            )
