"""Which prompts are hard: the map of difficulty, one prompt over time, and the data without what teaches nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFileDialog, QSplitter, QWidget

from droid_tune import words
from droid_tune.data.dataset import Dataset, open_configured
from droid_tune.data.editing.changes import carry_out
from droid_tune.runs.completions.asking import Visit
from droid_tune.runs.completions.completion_index import CompletionIndex
from droid_tune.runs.completions.difficulty import PromptHistory, drop_plan, histories_of
from droid_tune.runs.completions.taking_out import save_winners
from droid_tune.runs.folder import read_config
from ui.background import Task
from ui.panes.rollouts.completion_desk import CompletionDesk
from ui.panes.rollouts.difficulty_map import LINE, DifficultyMap
from ui.panes.rollouts.prompt_over_time import PromptOverTime
from ui.widgets.basics import button, column, label, row, scrolling

LEGEND = (
    "A line is a prompt, the hardest on top. A square is one visit, the first on the left: green where half of its completions "
    "or more were right, red where fewer were, the paler the nearer to half. Solved: all right at the newest visit. Hopeless: "
    "never right."
)


class PromptsView(QWidget):
    """`written` tells the folder of new data, `told` what became of a wish."""

    written = Signal(object)  # Path
    told = Signal(str, str)  # level, sentence

    def __init__(self, desk: CompletionDesk, parent: QWidget) -> None:
        super().__init__(parent)
        self._desk = desk
        self._histories: list[PromptHistory] = []
        self._wanted_row: int | None = None
        self._shown_of: Path | None = None  # the run's file whose prompt is shown
        layout = column(self, spacing=10)
        bar = row(spacing=8)
        self._summary = label("", "small", parent=self)
        bar.addWidget(self._summary)
        bar.addStretch(1)
        self._solved = button(
            "Drop Solved…", parent=self, help="Write the data without prompts whose newest group is all right"
        )
        self._hopeless = button(
            "Drop Hopeless…", parent=self, help="Write the data without prompts that were never right"
        )
        self._winners = button(
            "Save Winners…", parent=self, help="Write the newest right answer of each prompt as SFT data"
        )
        self._solved.clicked.connect(self._drop_solved)
        self._hopeless.clicked.connect(self._drop_hopeless)
        self._winners.clicked.connect(self._save_winners)
        for part in (self._solved, self._hopeless, self._winners):
            bar.addWidget(part)
        layout.addLayout(bar)
        self._legend = label(LEGEND, "caption", parent=self, wrap=True)
        self._legend.hide()  # while there is no square yet
        layout.addWidget(self._legend)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.setHandleWidth(12)
        split.setChildrenCollapsible(False)
        self.map = DifficultyMap(split)
        self.map.chosen.connect(self._chosen)
        self.over_time = PromptOverTime(split)
        self.over_time.failed.connect(self._say_error)
        area = self._area = scrolling(self.map, split)
        self.map.moved.connect(
            self._keep_in_sight, Qt.ConnectionType.QueuedConnection
        )  # once it is as high as it gets
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        split.addWidget(area)
        split.addWidget(self.over_time)
        split.setSizes([400, 540])
        layout.addWidget(split, 1)
        desk.visited.connect(self._show)

    def refresh(self) -> None:
        """Count the visits anew."""
        self._desk.ask_visits()

    def show_row(self, row: int) -> None:
        """Turn to a prompt by its data row."""
        self._wanted_row = row
        self.refresh()

    @Slot(object)
    def _show(self, visits: Sequence[Visit]) -> None:
        self._histories = histories_of(visits)
        kinds = [history.kind for history in self._histories]
        solved, hopeless = kinds.count("solved"), kinds.count("hopeless")
        self._summary.setText(
            f"{words.count(len(kinds), 'prompt')}: {solved:,} solved, {hopeless:,} hopeless, "
            f"{len(kinds) - solved - hopeless:,} in between"
        )
        self._solved.setEnabled(solved > 0)
        self._hopeless.setEnabled(hopeless > 0)
        self._winners.setEnabled(any(one.success for one in self._histories))
        self.map.show_histories(self._histories)
        self._legend.setVisible(bool(self._histories))
        rows = [history.row for history in self._histories]
        if self._wanted_row in rows:
            self.map.choose(rows.index(self._wanted_row))
        elif not self.map.has_chosen or self._desk.rollouts != self._shown_of:
            self.map.choose(0)
        self._wanted_row = None

    @Slot(int)
    def _keep_in_sight(self, pixel: int) -> None:
        self._area.ensureVisible(0, pixel, 0, LINE)

    @Slot(str)
    def _say_error(self, sentence: str) -> None:
        self.told.emit("error", sentence)

    @Slot(int)
    def _chosen(self, place: int) -> None:
        if self._desk.rollouts is not None:
            self._shown_of = self._desk.rollouts
            self.over_time.show_history(self._histories[place], self._desk.rollouts)

    # --- taking out ---------------------------------------------------------------------------------------------

    @Slot()
    def _drop_solved(self) -> None:
        self._write("without-solved", partial(dropped, histories=self._histories, kind="solved"))

    @Slot()
    def _drop_hopeless(self) -> None:
        self._write("without-hopeless", partial(dropped, histories=self._histories, kind="hopeless"))

    @Slot()
    def _save_winners(self) -> None:
        self._write("winners", won)

    def _write(self, name: str, work: Callable[[Path, Path], str]) -> None:
        """Into a folder that the user names; it must be new or empty."""
        chosen, _ = QFileDialog.getSaveFileName(self, "New Folder for the Data", name)
        if chosen:
            self.write_to(Path(chosen), work)

    def write_to(self, out: Path, work: Callable[[Path, Path], str]) -> None:
        """Write data in the background; `told` says what was written, `written` where."""
        if self._desk.rollouts is not None:
            folder = self._desk.rollouts.parent
            done, failed = partial(self._wrote, out), partial(self.told.emit, "error")
            Task(partial(work, folder, out), self, done=done, failed=failed).start()

    def _wrote(self, out: Path, sentence: str) -> None:
        self.told.emit("info", sentence)
        self.written.emit(out)


def dropped(
    folder: Path, out: Path, histories: Sequence[PromptHistory], kind: Literal["solved", "hopeless"]
) -> str:
    """Write the run's data without its solved or hopeless prompts; says what was left out."""
    dataset = data_of(folder)
    plan = drop_plan(dataset, histories, kind)
    carry_out(dataset, plan, out)
    return f"{plan.said} Written to {out}."


def won(folder: Path, out: Path) -> str:
    """Write the right completions of a run as SFT data, checked by the validator; says how many."""
    with CompletionIndex(folder / "rollouts.jsonl") as index:
        report = save_winners(index, out, data_of(folder))
    return f"{words.count(report.accepted, 'row')} for SFT written to {out}."


def data_of(folder: Path) -> Dataset:
    """The data that a run was trained on. Raises UserError where it is gone."""
    config = read_config(folder)
    return open_configured(config.data, config.method.type)
