"""One prompt over time: all its visits, and what was written then beside what is written now."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from droid_tune import words
from droid_tune.events import RolloutGroup
from droid_tune.runs.completions.asking import Visit, group_at
from droid_tune.runs.completions.difficulty import PromptHistory
from ui.background import Task
from ui.panes.rollouts.cards.card_column import CardColumn
from ui.theme import mono_font
from ui.widgets.basics import Page, column, label, row, scrolling, selectable
from ui.widgets.quiet_combo import QuietCombo

#: completions of a visit that are laid out
MOST_CARDS = 16
#: pixels in which the head of a completion has room on both sides
LEAST_WIDTH = 560


class VisitColumn(QWidget):
    """The completions of one visit, which can be chosen. `read` tells the prompt."""

    read = Signal(str)
    failed = Signal(str)

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._rollouts: Path | None = None
        self._visits: Sequence[Visit] = ()
        self._reading: Task | None = None
        layout = column(self, spacing=8)
        head = row(spacing=8)
        head.addWidget(label(title, "strong", parent=self))
        self._visit = QuietCombo(self)
        self._visit.setAccessibleName(f"{title}: visit")
        self._visit.currentIndexChanged.connect(self._draw)
        head.addWidget(self._visit, 1)
        layout.addLayout(head)
        page = Page(self)
        lines = column(page)
        self._cards = CardColumn(page, brief=True)
        lines.addWidget(self._cards)
        lines.addStretch(1)
        layout.addWidget(scrolling(page, self), 1)

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
        """The chosen visit, once its group, which may have megabytes, was read."""
        if self._reading is not None:
            self._reading.drop()
            self._reading = None
        place = self._visit.currentIndex()
        if self._rollouts is None or not 0 <= place < len(self._visits):
            self._cards.show_group((), None)
            return
        work = partial(group_at, self._rollouts, self._visits[place].offset)
        self._reading = Task(work, self, done=self._show_group, failed=self.failed.emit).start()

    def _show_group(self, group: RolloutGroup | None) -> None:
        self._reading = None
        self._cards.show_group([] if group is None else group.completions[:MOST_CARDS], None)
        if group is not None:
            self.read.emit(group.prompt)


class PromptOverTime(QWidget):
    """The prompt, and two of its visits beside each other: the first and the newest to begin with."""

    failed = Signal(str)

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
        for side in (self._then, self._now):
            side.read.connect(self._show_prompt)
            side.failed.connect(self.failed)
            sides.addWidget(side, 1)
        layout.addLayout(sides, 1)
        layout.addStretch(0)
        self._then.hide()  # until a prompt is chosen there is nothing to choose from
        self._now.hide()

    def show_history(self, history: PromptHistory, rollouts: Path) -> None:
        """All visits of a prompt, by the run's file."""
        first, last = history.visits[0], history.visits[-1]
        ends = (first, last) if len(history.visits) > 1 else (last,)
        shares = (words.share(visit.right / visit.completions) for visit in ends)
        self._title.setText(
            f"Row {history.row + 1:,} · {words.count(len(history.visits), 'visit')} · {' → '.join(shares)} right"
        )
        self._prompt.clear()
        self._then.show()
        self._then.show_visits(rollouts, history.visits, 0)
        self._now.setVisible(len(history.visits) > 1)
        self._now.show_visits(rollouts, history.visits, len(history.visits) - 1)

    @Slot(str)
    def _show_prompt(self, prompt: str) -> None:
        self._prompt.setText(words.literal(prompt[:4000]))
