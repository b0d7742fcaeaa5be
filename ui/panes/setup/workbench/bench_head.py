"""The head of the workbench: which reward, and which past run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from droid_tune import words
from droid_tune.config.rewards import REWARD_CONFIGS
from ui.widgets.basics import label, row
from ui.widgets.quiet_combo import QuietCombo

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

Values = dict[str, Any]

#: the place that stands for all rewards together
ALL = -1
NO_RUN = "No past run"


class BenchHead(QWidget):
    """`place` is that of the chosen reward, `run` the folder of a run, empty for none."""

    reward_chosen = Signal()
    run_chosen = Signal()

    def __init__(self, rewards: Sequence[Values], runs: Sequence[RunSummary], parent: QWidget) -> None:
        super().__init__(parent)
        bar = row(self, spacing=8)
        bar.setContentsMargins(20, 16, 20, 8)
        bar.addWidget(label("Reward", "strong", parent=self))
        self.rewards = QuietCombo(self)
        self.rewards.setAccessibleName("Reward to try")
        for place, values in enumerate(rewards):
            self.rewards.addItem(title_of(values), place)
        if len(rewards) > 1:
            self.rewards.addItem("All together, as weighted", ALL)
        bar.addWidget(self.rewards)
        bar.addStretch(1)
        bar.addWidget(label("Completions of", "secondary", parent=self))
        self.runs = QuietCombo(self)
        self.runs.setAccessibleName("Past run")
        self.runs.setMaximumWidth(320)
        self.runs.addItem(NO_RUN, "")
        for run in runs:
            if run.step:
                self.runs.addItem(words.literal(f"{run.name}, {words.when(run.created)}"), str(run.folder))
        bar.addWidget(self.runs)
        self.rewards.currentIndexChanged.connect(self.reward_chosen)
        self.runs.currentIndexChanged.connect(self.run_chosen)

    def choose(self, place: int) -> None:
        """Choose a reward."""
        self.rewards.setCurrentIndex(self.rewards.findData(place))

    @property
    def place(self) -> int:
        """The chosen reward, `ALL` for all of them."""
        return int(self.rewards.currentData())

    @property
    def run(self) -> str:
        """The folder of the chosen run."""
        return str(self.runs.currentData())

    @property
    def run_name(self) -> str:
        """As the list calls it."""
        return self.runs.currentText()


def title_of(values: Values) -> str:
    """`Accuracy`, `Your Python file (mine)`."""
    kind = REWARD_CONFIGS[str(values["type"])].label
    own = str(values.get("name") or "")
    return words.literal(f"{kind} ({own})" if own else kind)
