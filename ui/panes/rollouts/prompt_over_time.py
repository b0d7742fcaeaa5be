"""One prompt over time: all its visits, and what was written then beside what is written now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from droid_tune import words
from droid_tune.runs.completions.asking import Visit, group_at
from droid_tune.runs.completions.difficulty import PromptHistory
from ui.panes.rollouts.completion_card import CompletionCard
from ui.theme import mono_font
from ui.widgets.basics import Page, clear, column, label, row, scrolling, selectable
from ui.widgets.quiet_combo import QuietCombo

#: completions of a visit that are laid out
MOST_CARDS = 16
#: pixels in which the head of a completion has room on both sides
LEAST_WIDTH = 560


class VisitColumn(QWidget):
    """The completions of one visit, which can be chosen."""

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._rollouts: Path | None = None
        self._visits: Sequence[Visit] = ()
        layout = column(self, spacing=8)
        head = row(spacing=8)
        head.addWidget(label(title, "strong", parent=self))
        self._visit = QuietCombo(self)
        self._visit.setAccessibleName(f"{title}: visit")
        self._visit.currentIndexChanged.connect(self._draw)
        head.addWidget(self._visit, 1)
        layout.addLayout(head)
        self._page = Page(self)
        self._cards: QVBoxLayout = column(self._page, spacing=8)
        layout.addWidget(scrolling(self._page, self), 1)

    def show_visits(self, rollouts: Path, visits: Sequence[Visit], place: int) -> None:
        """These can be chosen; the one at `place` is shown."""
        self._rollouts, self._visits = rollouts, visits
        self._visit.blockSignals(True)
        self._visit.clear()
        for visit in visits:
            self._visit.addItem(f"Step {visit.step:,}: {visit.right} of {visit.completions} right")
        self._visit.setCurrentIndex(place)
        self._visit.blockSignals(False)
        self._draw()

    @Slot()
    def _draw(self) -> None:
        clear(self._cards)
        place = self._visit.currentIndex()
        if self._rollouts is None or not 0 <= place < len(self._visits):
            return
        group = group_at(self._rollouts, self._visits[place].offset)
        if group is not None:
            for number, one in enumerate(group.completions[:MOST_CARDS], start=1):
                self._cards.addWidget(CompletionCard(number, one, None, self._page, brief=True))
        self._cards.addStretch(1)


class PromptOverTime(QWidget):
    """The prompt, and two of its visits beside each other: the first and the newest to begin with."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setMinimumWidth(LEAST_WIDTH)
        layout = column(self, spacing=10)
        self._title = label("Choose a prompt on the left", "strong", parent=self)
        self._prompt = selectable(label("", parent=self, wrap=True))
        self._prompt.setFont(mono_font())
        layout.addWidget(self._title)
        layout.addWidget(self._prompt)
        sides: QHBoxLayout = row(spacing=12)
        self._then, self._now = VisitColumn("Then", self), VisitColumn("Now", self)
        sides.addWidget(self._then, 1)
        sides.addWidget(self._now, 1)
        layout.addLayout(sides, 1)
        layout.addStretch(0)
        self._then.hide()  # until a prompt is chosen there is nothing to choose from
        self._now.hide()

    def show_history(self, history: PromptHistory, rollouts: Path) -> None:
        """All visits of a prompt, by the run's file."""
        group = group_at(rollouts, history.visits[-1].offset)
        first, last = history.visits[0], history.visits[-1]
        ends = (first, last) if len(history.visits) > 1 else (last,)
        shares = (words.share(visit.right / visit.completions) for visit in ends)
        self._title.setText(
            f"Row {history.row + 1:,} · {words.count(len(history.visits), 'visit')} · {' → '.join(shares)} right"
        )
        self._prompt.setText("" if group is None else words.literal(group.prompt[:4000]))
        self._then.show()
        self._then.show_visits(rollouts, history.visits, 0)
        self._now.setVisible(len(history.visits) > 1)
        self._now.show_visits(rollouts, history.visits, len(history.visits) - 1)
