"""A question, and what each model answers to it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QWidget

from droid_tune import words
from ui.panes.playground.answer_column import AnswerColumn
from ui.widgets.basics import column, frame, label, row, selectable
from ui.work.playground_thread import PlaygroundQuestion


class Exchange(QWidget):
    """`answers` are the columns, in the order of `names`."""

    def __init__(self, question: PlaygroundQuestion, names: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        lines = column(self, spacing=12)
        lines.addWidget(self._asked(question))
        drawn = question.temperature > 0
        seeds = [question.seed + place if drawn else None for place in range(question.samples)]
        self.answers = [AnswerColumn(name, seeds, self) for name in names]
        sides = row(spacing=12)
        for answer in self.answers:
            sides.addWidget(answer, 1)
        lines.addLayout(sides)

    def _asked(self, question: PlaygroundQuestion) -> QWidget:
        asked = frame("inset", self)
        box = column(asked, spacing=4)
        box.setContentsMargins(14, 10, 14, 10)
        box.addWidget(selectable(label(words.literal(question.prompt), parent=asked, wrap=True)))
        answer = None if question.row is None else question.row.get("answer")
        if answer is not None:
            right = f"Right answer: {words.literal(str(answer))}"
            box.addWidget(selectable(label(right, "small", parent=asked, wrap=True)))
        return asked
