"""Who is asked, and how: runs and checkpoints, a held-out row, how often, by which chance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSpinBox, QWidget

from droid_tune import words
from ui.panes.playground.row_picker import RowPicker
from ui.panes.playground.voice_picker import LETTERS, VoicePicker, fill_runs, title_of
from ui.widgets.basics import button, column, label, row
from ui.widgets.checkpoint_picker import CheckpointPicker
from ui.widgets.quiet_combo import QuietCombo
from ui.work.playground_thread import PlaygroundQuestion

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

TEMPERATURES = (
    (0.0, "Greedy"),
    (0.7, "Temperature 0.7"),
    (1.0, "Temperature 1"),
)
LENGTHS = (64, 128, 256, 512, 1024)
SAMPLES = (1, 2, 4, 8)
MOST_SEED = 999_999
#: columns of answers at most, and those that are always there
MOST_COLUMNS, FIRST_COLUMNS = 4, 2


class Asking(QWidget):
    """`run_chosen` tells that another run is the trained model, `prompt_picked` what a held-out row asks."""

    run_chosen = Signal()
    prompt_picked = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._usable: Sequence[RunSummary] = ()
        self.others: list[VoicePicker] = []
        lines = column(self, spacing=10)
        lines.addLayout(self._trained())
        self._beside = column(spacing=6)
        lines.addLayout(self._beside)
        lines.addLayout(self._ways())

    # --- parts --------------------------------------------------------------------------------------------------

    def _trained(self) -> QHBoxLayout:
        """The trained model, and how it is sampled."""
        self.runs = QuietCombo(self)
        self.runs.setAccessibleName("Trained model")
        self.runs.activated.connect(self._choose_run)
        self.checkpoint = CheckpointPicker(self)
        self.checkpoint.hide()
        self.temperature = _remembered("Sampling", [(title, value) for value, title in TEMPERATURES], self)
        lengths = [(f"up to {words.count(tokens, 'token')}", tokens) for tokens in LENGTHS]
        self.length = _remembered("Longest answer", lengths, self)
        self.length.setCurrentIndex(1)
        bar = row(spacing=10)
        bar.addWidget(label("Compare", "strong", parent=self))
        for combo in (self.runs, self.checkpoint, self.temperature, self.length):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(LETTERS)
            bar.addWidget(combo, 3 if combo is self.length else 4)
        return bar

    def _ways(self) -> QHBoxLayout:
        """Which row is asked, how often, and by which chance."""
        self.more = button(
            "Add Column", parent=self, icon="plus", help="Another run or checkpoint beside these"
        )
        self.more.clicked.connect(self.add_column)
        self.row = RowPicker(self)
        self.row.picked.connect(self.prompt_picked)
        samples = [(words.count(count, "answer"), count) for count in SAMPLES]
        self.samples = _remembered("Answers of each model", samples, self)
        self.seed = QSpinBox(self)
        self.seed.setRange(0, MOST_SEED)
        self.seed.setPrefix("seed ")
        self.seed.setAccessibleName("Seed")
        self.seed.setToolTip("The same seed draws the same answers again; every model gets the same")
        bar = row(spacing=10)
        bar.addWidget(self.more)
        bar.addWidget(self.row, 1)
        bar.addWidget(self.samples)
        bar.addWidget(self.seed)
        self.temperature.currentIndexChanged.connect(self._show_chance)
        self._show_chance()
        return bar

    @Slot()
    def _show_chance(self) -> None:
        """A greedy answer is always the same one."""
        drawn = float(self.temperature.currentData() or 0) > 0
        self.samples.setEnabled(drawn)
        self.seed.setEnabled(drawn)

    # --- who ----------------------------------------------------------------------------------------------------

    @property
    def folder(self) -> Path | None:
        """The run of the trained model."""
        chosen = self.runs.currentData()
        return Path(chosen) if chosen else None

    @property
    def names(self) -> list[str]:
        """What the columns are called, the model before training first."""
        named = ["Before training", title_of(self.runs, self.checkpoint)]
        return named + [other.title for other in self.others if other.weights is not None]

    def offer(self, usable: Sequence[RunSummary], wanted: str) -> None:
        """The runs to choose from; `wanted` is the folder of one to choose, else the chosen one stays."""
        self._usable = usable
        fill_runs(self.runs, usable, wanted or self.runs.currentData())
        for other in self.others:
            other.offer(usable)
        self._choose_run()

    @Slot()
    def _choose_run(self) -> None:
        folder = self.folder
        for run in self._usable:
            if run.folder == folder:
                self.checkpoint.show_run(run)
        if folder is not None:
            self.row.show_run(folder)
        self.run_chosen.emit()

    @Slot()
    def add_column(self) -> None:
        """Another run beside these, or another checkpoint where no other run is left; up to `MOST_COLUMNS`."""
        made = VoicePicker(self)
        made.removed.connect(partial(self._drop_column, made))
        made.offer(self._usable)
        taken = [self.runs.currentData(), *(other.runs.currentData() for other in self.others)]
        made.choose_beside([str(folder) for folder in taken])
        self.others.append(made)
        self._beside.addWidget(made)
        self.more.setEnabled(len(self.others) + FIRST_COLUMNS < MOST_COLUMNS)

    def _drop_column(self, gone: VoicePicker) -> None:
        self.others.remove(gone)
        self._beside.removeWidget(gone)
        gone.hide()
        gone.deleteLater()
        self.more.setEnabled(True)

    # --- what ---------------------------------------------------------------------------------------------------

    def question(self, folder: Path, prompt: str) -> PlaygroundQuestion:
        """A prompt for these models, asked in this way."""
        temperature = float(self.temperature.currentData())
        return PlaygroundQuestion(
            folder,
            prompt,
            temperature,
            int(self.length.currentData()),
            self.checkpoint.choice,
            others=tuple(other.weights for other in self.others if other.weights is not None),
            row=self.row.row_of(prompt),
            samples=int(self.samples.currentData()) if temperature else 1,
            seed=self.seed.value(),
        )


def _remembered(name: str, choices: Sequence[tuple[str, float]], parent: QWidget) -> QuietCombo:
    """Choices (text, value) that are as they were when the window is opened again."""
    made = QuietCombo(parent)
    made.setAccessibleName(name)
    made.setProperty("remembered", True)
    for text, value in choices:
        made.addItem(text, value)
    return made
