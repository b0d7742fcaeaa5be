"""Two to four runs beside one another: curves, settings, data, reward code, and answers to the same prompts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QStackedWidget, QWidget

from droid_tune.report.comparing import (
    ComparedLine,
    ComparedRun,
    compared_data,
    compared_settings,
    read_compared,
)
from ui.background import Task
from ui.compare.compared_answers import ComparedAnswers
from ui.compare.compared_code import ComparedCode
from ui.compare.compared_curves import LETTERS, ComparedCurves
from ui.compare.difference_table import DifferenceTable
from ui.widgets.basics import closes_by_key, column, label, prose, row, selectable
from ui.widgets.one_by_one import OneByOne
from ui.widgets.segmented import Segmented

LEAST, MOST = 2, 4
VIEWS = (
    ("curves", "Curves"),
    ("settings", "Settings"),
    ("data", "Data"),
    ("code", "Reward Code"),
    ("answers", "Answers"),
)

NO_CURVES = "None of these runs has come as far as its first value."
SHADED = "A shaded cell is not as in A, the first run."


class CompareWindow(QWidget):
    """A window of its own; it reads the runs in the background and forgets itself when it is closed."""

    def __init__(self, folders: Sequence[Path], names: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Compare: " + ", ".join(names))
        self.setProperty("role", "page")
        closes_by_key(self)
        self.resize(1080, 760)
        self._folders = list(folders)
        self._names = [f"{letter}: {name}" for letter, name in zip(LETTERS, names, strict=False)]
        lines = column(self, spacing=12, margins=16)
        bar = row(spacing=10)
        self.view = Segmented(VIEWS, self, "Compare")
        self.view.chosen.connect(self._turn)
        bar.addWidget(self.view)
        bar.addStretch(1)
        lines.addLayout(bar)
        lines.addWidget(selectable(label("\n".join(self._names), "small", parent=self, wrap=True)))
        self._said = prose("Reading the runs…", "secondary", parent=self)
        lines.addWidget(self._said)
        self.curves = ComparedCurves(self)
        self.settings = DifferenceTable("Settings in which the runs differ", self)
        self.data = DifferenceTable("Data of the runs", self)
        self.code = ComparedCode(self)
        self.answers = ComparedAnswers(self)
        self._pages = QStackedWidget(self)
        for page in (self.curves, self.settings, self.data, self.code, self.answers):
            self._pages.addWidget(page)
        lines.addWidget(self._pages, 1)
        self._drawing = OneByOne(self)
        self._sentences = dict.fromkeys((key for key, _ in VIEWS), "")
        work = partial(read_all, self._folders)
        Task(work, self, done=self._show_runs, failed=self._said.setText).start()

    def _show_runs(self, runs: list[ComparedRun]) -> None:
        """Page by page, with whatever else the window has to do between two."""
        pages = (self._show_settings, self._show_data, self._show_code, self._show_answers)
        self._sentences["curves"] = "" if self.curves.show_runs(runs) else NO_CURVES
        self._drawing.begin([partial(page, runs) for page in pages])
        self._turn()

    def _show_settings(self, runs: list[ComparedRun]) -> None:
        differing = compared_settings(runs)
        self.settings.show_lines(differing, "Setting", self._names)
        self._sentences["settings"] = SHADED if differing else "They have the same settings."
        self._turn()

    def _show_data(self, runs: list[ComparedRun]) -> None:
        data = compared_data(runs)
        self.data.show_lines(data, "Data", self._names)
        self._sentences["data"] = _of_data(data, old=any(not run.files for run in runs))
        self._turn()

    def _show_code(self, runs: list[ComparedRun]) -> None:
        self.code.show_runs(runs, self._names)

    def _show_answers(self, runs: list[ComparedRun]) -> None:
        self.answers.show_runs(runs, self._names)

    @Slot()
    def _turn(self) -> None:
        key = self.view.key
        self._pages.setCurrentIndex([name for name, _ in VIEWS].index(key))
        self._said.setText(self._sentences[key])
        self._said.setVisible(bool(self._sentences[key]))


def _of_data(lines: Sequence[ComparedLine], *, old: bool) -> str:
    """How to read the table of the data, and what it cannot know."""
    if any(found.differs for found in lines):
        told = SHADED
    else:
        told = "" if old else "They have the same data."
    no_digests = "Runs of an older version kept no digests of their files." if old else ""
    return f"{told} {no_digests}".strip()


def read_all(folders: Sequence[Path]) -> list[ComparedRun]:
    """All of the runs. Raises UserError where one cannot be read."""
    return [read_compared(folder) for folder in folders]
