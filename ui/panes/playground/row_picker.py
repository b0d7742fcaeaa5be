"""Held-out rows to ask: where the answer is known, it is told whether the model's is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QComboBox, QWidget

from droid_tune import words
from ui.background import Task
from ui.widgets.quiet_combo import QuietCombo

#: rows that are offered; more of them nobody reads through
MOST_ROWS = 200
#: characters of a prompt in the list
LINE = 80
OWN = "A question of your own"


@dataclass(frozen=True)
class HeldOutRow:
    """A row whole, and what it asks in short."""

    prompt: str
    row: Mapping[str, Any]


class RowPicker(QuietCombo):
    """`picked` tells the prompt of the chosen row; its data is read in the background."""

    picked = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Held-out row")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self._rows: list[HeldOutRow] = []
        self._folder: Path | None = None
        self._reading: Task | None = None
        self.activated.connect(self._pick)
        self._fill([])

    def show_run(self, folder: Path) -> None:
        """Offer the rows that this run held out."""
        if folder == self._folder:
            return
        self._folder = folder
        if self._reading is not None:
            self._reading.drop()
        self._fill([])
        self._reading = Task(
            partial(held_out_rows, folder), self, done=self._fill, failed=self._say_none
        ).start()

    def row_of(self, prompt: str) -> Mapping[str, Any] | None:
        """The chosen row as long as its prompt was not changed."""
        place = self.currentIndex() - 1
        chosen = self._rows[place] if 0 <= place < len(self._rows) else None
        return chosen.row if chosen is not None and chosen.prompt.strip() == prompt else None

    def _fill(self, rows: list[HeldOutRow]) -> None:
        self._rows = rows
        self.clear()
        self.addItem(OWN)
        for number, one in enumerate(rows, start=1):
            self.addItem(f"{number}. {words.shortened(words.literal(one.prompt), LINE, '…')}")
        self.setEnabled(bool(rows))
        self.setToolTip(
            f"{words.count(len(rows), 'held-out row')} with known answers"
            if rows
            else "No held-out rows at hand"
        )

    def _say_none(self, sentence: str) -> None:
        """Data that is gone offers no rows; any other question can be asked."""
        self.setToolTip(words.literal(sentence))

    @Slot(int)
    def _pick(self, place: int) -> None:
        if place > 0:
            self.picked.emit(self._rows[place - 1].prompt)


def held_out_rows(folder: Path, most: int = MOST_ROWS) -> list[HeldOutRow]:
    """The first rows of a run's held-out data. Raises UserError where the data cannot be read."""
    from droid_tune.data.dataset import open_configured
    from droid_tune.data.templates import prompt_text
    from droid_tune.runs.folder import read_config

    config = read_config(folder)
    rows = open_configured(config.data, config.method.type).valid
    found = (dict(rows.row(place)) for place in range(min(most, len(rows))))
    return [HeldOutRow(prompt_text(row), row) for row in found]
