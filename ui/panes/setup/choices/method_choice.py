"""The choice of a method: a card for each family, and what there is to know about the chosen one."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from droid_tune.config.recipes.method_table import card_of
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from ui.form.form import Fold
from ui.panes.setup.choices.choice_cards import ChoiceCards
from ui.panes.setup.choices.help_texts import add_help
from ui.widgets.basics import clear, column


class MethodChoice(QWidget):
    """`chosen` tells the method's key."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._method = ""
        self._help: QVBoxLayout | None = None  # once it is unfolded
        lines = column(self, spacing=8)
        choices = [
            (key, config.label, config.summary) for key, config in METHOD_CONFIGS.items() if not config.card
        ]
        self._cards = ChoiceCards(choices, self, "Method")
        self._cards.chosen.connect(self.chosen)
        lines.addWidget(self._cards)
        lines.addWidget(Fold("About this method", self._fill_help, self))

    def show_method(self, method: str) -> None:
        """Its card looks chosen, and the text is about it; nobody is told."""
        self._method = method
        self._cards.choose(card_of(method))
        self._show_help()

    def _fill_help(self, layout: QVBoxLayout) -> None:
        self._help = column(spacing=9)
        self._help.setContentsMargins(14, 4, 14, 8)
        layout.addLayout(self._help)
        self._show_help()

    def _show_help(self) -> None:
        """The method's text, a label per paragraph."""
        if self._help is None:
            return
        clear(self._help)
        add_help(self._method, self._help, self)
