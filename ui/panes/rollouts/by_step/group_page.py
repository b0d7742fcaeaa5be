"""The chosen prompt of a step with its completions, of which a person may call one the better and one the worse."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtWidgets import QWidget

from droid_tune import words
from droid_tune.events import RolloutGroup
from ui.panes.rollouts.by_step.pair_choice import PairChoice
from ui.panes.rollouts.cards.card_column import CardColumn
from ui.theme import mono_font
from ui.widgets.basics import Page, column, frame, label, selectable


class GroupPage(Page):
    """Shows one group after another in the same parts."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._group: RolloutGroup | None = None
        lines = column(self, spacing=10)
        lines.setContentsMargins(0, 0, 6, 0)
        self._none = label("Nothing in this step fits the filter.", "secondary", parent=self)
        self._prompt = PromptCard(self)
        said = label("", "small", parent=self, wrap=True)
        self.choice = PairChoice(said, self)
        self.column = CardColumn(self, each=self.choice.watch)
        for part in (self._none, self._prompt, self.column, said):
            lines.addWidget(part)
        lines.addStretch(1)
        self._prompt.hide()

    def show_group(self, group: RolloutGroup | None, folder: Path | None) -> None:
        """`folder` is the run's, where pairs are kept; None where there is none to keep them in."""
        if group is self._group and group is not None:
            return
        self._group = group
        self.choice.forget()
        self._none.setVisible(group is None)
        self._prompt.setVisible(group is not None)
        if group is None:
            self.column.show_group((), None)
            return
        self._prompt.show_prompt(group)
        largest = max((abs(one.advantage or 0.0) for one in group.completions), default=0.0)
        then = None
        if folder is not None and not group.held_out:
            then = partial(self.choice.take, folder, group, self.column.cards)
        self.column.show_group(group.completions, None if group.held_out else largest, then)

    def forget(self) -> None:
        """Another run is shown: its groups are others, whatever they look like."""
        self._group = None


class PromptCard(QWidget):
    """A prompt, the row that it comes from, and the answer that is expected."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        card = frame("inset", self)
        column(self).addWidget(card)
        lines = column(card, spacing=6)
        lines.setContentsMargins(14, 10, 14, 12)
        self._where = label("", "caption", parent=card)
        self._text = selectable(label("", parent=card, wrap=True))
        self._text.setFont(mono_font())
        self._expected = selectable(label("", "small", parent=card, wrap=True))
        for part in (self._where, self._text, self._expected):
            lines.addWidget(part)

    def show_prompt(self, group: RolloutGroup) -> None:
        """Word for word."""
        self._where.setText(f"Prompt · row {group.row + 1:,}" if group.row is not None else "Prompt")
        self._text.setText(words.literal(group.prompt))
        self._expected.setVisible(group.answer is not None)
        self._expected.setText(
            f"Expected answer: {words.literal(group.answer)}" if group.answer is not None else ""
        )
