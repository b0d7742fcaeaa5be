"""Before the first question: what to do here, and prompts that the run has seen."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QWidget

from droid_tune import words
from droid_tune.events import RolloutGroup
from droid_tune.paths import RunPaths
from droid_tune.runs.log import read_events
from ui.background import Task
from ui.widgets.basics import button, clear, column, label

WORDS = (
    "Ask something: the model as it was before training answers on the left, the trained one beside it. "
    "Held-out rows tell whether an answer is right."
)
#: characters of a prompt on its button
LINE = 90


class Suggestions(QFrame):
    """`wanted` tells a prompt that was pressed, `unread` why there are none."""

    wanted = Signal(str)
    unread = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "inset")
        self._reading: Task | None = None
        layout = column(self, spacing=8)
        layout.setContentsMargins(18, 14, 18, 16)
        layout.addWidget(label("What did the model learn?", "heading", parent=self))
        layout.addWidget(label(WORDS, "secondary", parent=self, wrap=True))
        self.prompts = column(spacing=6)
        layout.addLayout(self.prompts)

    def show_run(self, folder: Path) -> None:
        """Read the prompts of this run, behind the window."""
        if self._reading is not None:
            self._reading.drop()
        self._reading = Task(
            partial(first_prompts, folder), self, done=self._fill, failed=self._say_unread
        ).start()

    def _say_unread(self, sentence: str) -> None:
        self._fill([])
        self.unread.emit(sentence)

    def _fill(self, prompts: list[str]) -> None:
        clear(self.prompts)
        for prompt in prompts:
            line = words.shortened(words.literal(prompt), LINE, "…")
            shown = button(line, parent=self)
            shown.setProperty("prompt", prompt)
            shown.clicked.connect(self._press)
            self.prompts.addWidget(shown, 0, Qt.AlignmentFlag.AlignLeft)

    @Slot()
    def _press(self) -> None:
        self.wanted.emit(str(self.sender().property("prompt")))


def first_prompts(folder: Path, most: int = 3) -> list[str]:
    """The first prompts of a run that differ, from its rollouts."""
    found: dict[str, None] = {}
    for event in read_events(RunPaths(folder).rollouts):
        if isinstance(event, RolloutGroup):
            found[event.prompt.strip()] = None
        if len(found) == most:
            break
    return list(found)
