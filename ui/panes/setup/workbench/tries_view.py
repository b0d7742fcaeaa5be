"""What the rewards say of a few rows: the verdict in words, and every completion with its reward and why."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QHeaderView, QWidget

from droid_tune import words
from droid_tune.trial_report import LEVEL_WORDS, Trial, Try
from ui.panes.setup.workbench.plain_rows import Column, PlainRows
from ui.widgets.basics import column, frame, prose, selectable
from ui.widgets.lists.tables import data_table
from ui.widgets.state_chip import Chip

TONES = {
    "good": ("good", "good_soft"),
    "weak": ("warning", "warning_soft"),
    "bad": ("bad", "bad_soft"),
    "unknown": ("secondary", "raised"),
}
NOTHING_YET = "Nothing was tried yet. Try takes a second: nothing is trained."
LONGEST_CELL = 300


def said(value: float | None) -> str:
    """A reward as a cell shows it."""
    return words.metric("reward", value)


def right_words(right: bool | None) -> str:
    """What `accuracy` says."""
    return {True: "right", False: "wrong", None: "–"}[right]


def right_tone(right: bool | None) -> str:
    """The colour of that word."""
    return {True: "good", False: "bad", None: "secondary"}[right]


def cell(text: str) -> str:
    """A text on one line, invisible characters told."""
    return words.literal(words.shortened(text, LONGEST_CELL, "…"))


def below_all(value: float | None) -> float:
    """For sorting: what no reward judged comes first."""
    return float("-inf") if value is None else value


COLUMNS = (
    Column[Try]("Row", lambda one: f"{one.row + 1:,}", lambda one: one.row, right=True),
    Column[Try]("Tried", lambda one: one.source, lambda one: one.source),
    Column[Try](
        "Reward",
        lambda one: "failed" if one.failures else said(one.reward),
        lambda one: below_all(one.reward),
        lambda one: "bad" if one.failures else "",
        right=True,
    ),
    Column[Try](
        "Accuracy",
        lambda one: right_words(one.right),
        lambda one: right_words(one.right),
        lambda one: right_tone(one.right),
    ),
    Column[Try]("Completion", lambda one: cell(one.completion), lambda one: one.completion),
    Column[Try](
        "Why",
        lambda one: cell(" ".join(one.failures) or one.why),
        lambda one: one.why,
        lambda one: "bad" if one.failures else "secondary",
    ),
)
WIDTHS = (48, 164, 70, 72, 180)


class TriesView(QWidget):
    """Empty until there is a trial."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        layout = column(self, spacing=8)
        card = frame("card", self)
        box = column(card, spacing=6, margins=12)
        self.chip = Chip(card)
        self.chip.hide()
        box.addWidget(self.chip, 0, Qt.AlignmentFlag.AlignLeft)
        self.words = selectable(prose(NOTHING_YET, parent=card))
        self.words.setAccessibleName("Verdict")
        box.addWidget(self.words)
        self.notes = selectable(prose("", "small", parent=card))
        self.notes.hide()
        box.addWidget(self.notes)
        layout.addWidget(card)
        self.model = PlainRows[Try](COLUMNS, self)
        self.table = data_table(self.model, "Completions that were tried", self)
        self.table.verticalHeader().hide()
        self.table.setSortingEnabled(True)
        self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        for place, width in enumerate(WIDTHS):
            self.table.setColumnWidth(place, width)
            self.table.horizontalHeader().setSectionResizeMode(place, QHeaderView.ResizeMode.Interactive)
        layout.addWidget(self.table, 1)

    def show_trial(self, trial: Trial) -> None:
        """The verdict, what it rests on, and the completions."""
        verdict = trial.verdict
        self.chip.show_chip(LEVEL_WORDS[verdict.level], *TONES[verdict.level])
        self.chip.show()
        self.words.setText(words.literal("\n".join(verdict.sentences)))
        printed = [f"The last call of {name} printed: {text}" for name, text in trial.printed.items()]
        failed = next((one.failures[0] for one in trial.tries if one.failures), "")
        notes = [one for one in (failed, trial.agreement.sentence(), *trial.notes, *printed) if one]
        self.notes.setText(words.literal("\n".join(notes)))
        self.notes.setVisible(bool(notes))
        self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.model.show_items(trial.tries)

    @Slot()
    def show_stale(self) -> None:
        """The reward is another now: the verdict is not of it."""
        if self.chip.isVisibleTo(self):
            self.chip.show_chip("Before your last change", *TONES["unknown"])

    def show_fault(self, sentence: str) -> None:
        """No trial: say why in the place of the verdict."""
        self.chip.show_chip("Could not be tried", *TONES["bad"])
        self.chip.show()
        self.words.setText(words.literal(sentence))
        self.notes.hide()
        self.model.show_items([])
