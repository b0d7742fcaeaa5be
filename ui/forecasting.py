"""Ask what a run would need, off the GUI thread; the newest question is the one that is answered."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, Signal, Slot

from droid_tune.config import RunConfig
from droid_tune.estimate.estimate import estimate
from droid_tune.estimate.forecast import Estimate
from ui import phrases
from ui.background import Task

VERDICTS = {
    "fits": ("Fits", "good", "good_soft"),
    "tight": ("Tight", "warning", "warning_soft"),
    "too_large": ("Too large", "bad", "bad_soft"),
}


class Forecaster(QObject):
    """`told` an Estimate, or `failed` with a sentence."""

    told = Signal(object)
    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._task: Task | None = None

    def ask(self, config: RunConfig) -> None:
        self._task = Task(partial(estimate, config), self)
        self._task.done.connect(self._done)
        self._task.failed.connect(self._failed)
        self._task.start()

    @Slot(object)
    def _done(self, found: Estimate) -> None:
        if self.sender() is self._task:
            self.told.emit(found)

    @Slot(str)
    def _failed(self, sentence: str) -> None:
        if self.sender() is self._task:
            self.failed.emit(sentence)


def forecast_words(found: Estimate) -> str:
    """`About 2.1 GB of 19.0 GB · about 2 h 10 min (1 h 50 min to 2 h 40 min)`."""
    duration = found.duration
    least, most = phrases.duration(duration.least), phrases.duration(duration.most)
    time = f"about {phrases.duration(duration.total)} ({least} to {most})"
    return f"{phrases.size(found.peak_bytes)} of {phrases.size(found.budget_bytes)} · {time}"


def forecast_details(found: Estimate) -> str:
    """The parts of the memory at the worst moment, where the time comes from, and what was assumed."""
    parts = found.peak.parts[found.peak.worst]
    largest = sorted(parts.items(), key=lambda part: -part[1])
    lines = [f"{name.replace('_', ' ')}: {phrases.size(count)}" for name, count in largest if count]
    basis = f"Time: {phrases.pace(found.duration.per_step)} per step, {found.duration.basis}"
    return "\n".join([f"Most memory in: {found.peak.worst}", *lines, basis, *found.notes])
