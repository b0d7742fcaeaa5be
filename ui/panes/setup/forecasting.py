"""Ask what a run would need, off the GUI thread; the newest question is the one that is answered."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from droid_tune import words
from droid_tune.config import RunConfig
from droid_tune.errors import UserError
from ui.background import Task

if TYPE_CHECKING:
    from droid_tune.estimate.forecast import Estimate
    from droid_tune.estimate.job import DataLengths

#: without another question
COMPARE_AFTER_MS = 150
VERDICTS = {
    "fits": ("Fits", "good", "good_soft"),
    "tight": ("Tight", "warning", "warning_soft"),
    "too_large": ("Too large", "bad", "bad_soft"),
}


class Forecaster(QObject):
    """`told` an Estimate, `compared` one for each method, or `failed` with a sentence.

    One estimate at a time: what was asked meanwhile waits, and only the newest of it. The methods are compared once
    the form is left alone. The data is measured once for each model; until then its lengths are assumed.
    """

    told = Signal(object)
    compared = Signal(object)
    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._config: RunConfig | None = None
        self._asked = 0
        self._answering = 0  # which of the questions is being answered, 0 is none
        self._comparison: Task | None = None
        self._lengths: dict[str, DataLengths | None] = {}
        self._measuring: Task | None = None
        self._compare_later = QTimer(self)
        self._compare_later.setSingleShot(True)
        self._compare_later.setInterval(COMPARE_AFTER_MS)
        self._compare_later.timeout.connect(self._compare)

    def ask(self, config: RunConfig) -> None:
        self._config = config
        self._asked += 1
        if not self._answering:
            self._answer(config)

    def _answer(self, config: RunConfig) -> None:
        self._answering = self._asked
        task = Task(partial(_estimated, config, self._known(config)), self)
        task.done.connect(self._done)
        task.failed.connect(self._failed)
        _go_after(task)
        task.start()

    @Slot(object)
    def _done(self, found: Estimate) -> None:
        if self._is_newest():
            self.told.emit(found)
            self._compare_later.start()

    @Slot(str)
    def _failed(self, sentence: str) -> None:
        if self._is_newest():
            self.failed.emit(sentence)

    def _is_newest(self) -> bool:
        """Whether an answer is to the newest question; if not, that is answered next."""
        answered, self._answering = self._answering, 0
        if answered != self._asked and self._config is not None:
            self._answer(self._config)
        return answered == self._asked

    @Slot()
    def _compare(self) -> None:
        if self._config is not None:
            self._comparison = Task(partial(_compared, self._config, self._known(self._config)), self)
            self._comparison.done.connect(self._tell_comparison)
            _go_after(self._comparison)
            self._comparison.start()

    @Slot(object)
    def _tell_comparison(self, methods: dict[str, Estimate]) -> None:
        if self.sender() is self._comparison:
            self.compared.emit(methods)

    def _known(self, config: RunConfig) -> DataLengths | None:
        """What is known of the data's lengths; begins to measure them where nothing is."""
        key = _data_key(config)
        if key not in self._lengths:
            self._lengths[key] = None
            self._measuring = Task(partial(_measured, config, key), self)
            self._measuring.done.connect(self._keep)
            self._measuring.start()
        return self._lengths[key]

    @Slot(object)
    def _keep(self, measured: tuple[str, DataLengths | None]) -> None:
        key, lengths = measured
        self._lengths[key] = lengths
        if lengths is not None and self._config is not None and _data_key(self._config) == key:
            self.ask(self._config)


def _go_after(task: Task) -> None:
    """There is a task for every key: each goes once it has told."""
    task.done.connect(task.deleteLater)
    task.failed.connect(task.deleteLater)


# What these import is none of the first paint's business.


def _estimated(config: RunConfig, lengths: DataLengths | None) -> Estimate:
    from droid_tune.estimate.estimate import estimate

    return estimate(config, lengths)


def _compared(config: RunConfig, lengths: DataLengths | None) -> dict[str, Estimate]:
    from ui.panes.setup.forecasting_methods import by_method

    return by_method(config, lengths)


def _measured(config: RunConfig, key: str) -> tuple[str, DataLengths | None]:
    from droid_tune.estimate.lengths import measure_data

    try:
        return key, measure_data(config)
    except UserError:  # the Data pane says what is wrong with it
        return key, None


def _data_key(config: RunConfig) -> str:
    """What the lengths depend on."""
    return f"{config.model.path}|{config.method.type == 'sft'}|{config.data.model_dump_json()}"


def forecast_words(found: Estimate) -> str:
    """`About 2.1 GB of 19.0 GB · about 2 h 10 min (1 h 50 min to 2 h 40 min)`."""
    duration = found.duration
    least, most = words.duration(duration.least), words.duration(duration.most)
    time = f"about {words.duration(duration.total)} ({least} to {most})"
    return f"{words.size(found.peak_bytes)} of {words.size(found.budget_bytes)} · {time}"


def forecast_details(found: Estimate) -> str:
    """The parts of the memory at the worst moment, where the time comes from, and what was assumed."""
    parts = found.peak.parts[found.peak.worst]
    largest = sorted(parts.items(), key=lambda part: -part[1])
    lines = [f"{name.replace('_', ' ')}: {words.size(count)}" for name, count in largest if count]
    basis = f"Time: {words.pace(found.duration.per_step)} per step, {found.duration.basis}"
    return "\n".join([f"Most memory in: {found.peak.worst}", *lines, basis, *found.notes])
