"""The completions of a group, one below the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtWidgets import QWidget

from droid_tune.events import Completion
from ui.panes.rollouts.cards.completion_card import CompletionCard
from ui.widgets.basics import column
from ui.widgets.one_by_one import OneByOne


class CardColumn(QWidget):
    """Its cards show one group after another, and are drawn one at a time: eight at once kept the window for 0.2 s.

    `each` is told of every new card, once.
    """

    def __init__(
        self, parent: QWidget, *, brief: bool = False, each: Callable[[CompletionCard], object] | None = None
    ) -> None:
        super().__init__(parent)
        self._brief, self._each = brief, each
        self._lines = column(self, spacing=10)
        self._drawing = OneByOne(self)
        self.cards: list[CompletionCard] = []

    @property
    def busy(self) -> bool:
        """Whether a card is still to be drawn."""
        return self._drawing.busy

    def show_group(
        self,
        completions: Sequence[Completion],
        widest: float | None,
        then: Callable[[], object] | None = None,
    ) -> None:
        """`widest` as a card has it; `then` is called once all are drawn."""
        for spare in self.cards[len(completions) :]:
            spare.hide()
        self._drawing.renew(
            {place: partial(self._show, place, one, widest) for place, one in enumerate(completions)}, then
        )

    def _show(self, place: int, one: Completion, widest: float | None) -> None:
        while place >= len(self.cards):
            self._make()
        card = self.cards[place]
        card.show_completion(place + 1, one, widest)
        card.show()

    def _make(self) -> None:
        made = CompletionCard(self, brief=self._brief)
        self.cards.append(made)
        self._lines.addWidget(made)
        if self._each is not None:
            self._each(made)
