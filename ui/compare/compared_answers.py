"""The same held-out prompts, answered by each run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from droid_tune import words
from droid_tune.report.comparing import ComparedRun, SharedPrompt, shared_answers
from ui.one_run.answers_card import AnswersCard, CardSide
from ui.widgets.basics import Page, clear, column, label, row, scrolling
from ui.widgets.one_by_one import OneByOne
from ui.widgets.segmented import Segmented

KINDS = (("all", "All"), ("differ", "Rewards Differ"))
#: prompts that are shown; a person reads no more of them
MOST_SHOWN = 30


class ComparedAnswers(QWidget):
    """Those first on which the runs differ."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._found: Sequence[SharedPrompt] = ()
        self._names: Sequence[str] = ()
        self._drawing = OneByOne(self)
        lines = column(self, spacing=10)
        bar = row(spacing=10)
        self._said = label("", "secondary", parent=self, wrap=True)
        self.kind = Segmented(KINDS, self, "Which prompts")
        self.kind.chosen.connect(self._draw)
        bar.addWidget(self._said, 1)
        bar.addWidget(self.kind)
        lines.addLayout(bar)
        page = Page(self)
        self._cards = column(page, spacing=10)
        self._cards.setContentsMargins(0, 0, 6, 0)
        lines.addWidget(scrolling(page, self), 1)

    def show_runs(self, runs: Sequence[ComparedRun], names: Sequence[str]) -> None:
        """What all of them answered."""
        self._found, self._names = shared_answers(runs), names
        self.kind.setVisible(bool(self._found))
        self._draw()

    @Slot()
    def _draw(self) -> None:
        clear(self._cards)
        differ = [one for one in self._found if one.differs]
        shown = (differ if self.kind.key == "differ" else list(self._found))[:MOST_SHOWN]
        self._cards.addStretch(1)
        self._drawing.begin([partial(self._add, one) for one in shown])
        self._said.setText(
            f"{words.count(len(self._found), 'held-out prompt')} were answered by all of these runs; on {len(differ):,} "
            f"their rewards differ. Shown are {len(shown):,}."
            if self._found
            else "There is no held-out prompt that all of these runs kept an answer to."
        )

    def _add(self, one: SharedPrompt) -> None:
        sides = [CardSide(name, *reply) for name, reply in zip(self._names, one.replies, strict=True)]
        last = self._cards.count() - 1  # above the stretch
        self._cards.insertWidget(last, AnswersCard(one.prompt, one.answer, sides, self))
