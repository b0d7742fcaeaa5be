"""Ask what a run would need, off the GUI thread; the newest question is the one that is answered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from droid_tune.config import RunConfig
from droid_tune.errors import UserError
from ui import phrases
from ui.background import Task

if TYPE_CHECKING:
    from droid_tune.estimate.forecast import Estimate
    from droid_tune.estimate.job import DataLengths

VERDICTS = {
    "fits": ("Fits", "good", "good_soft"),
    "tight": ("Tight", "warning", "warning_soft"),
    "too_large": ("Too large", "bad", "bad_soft"),
}


@dataclass(frozen=True)
class _Answer:
    """An estimate, and the same run by the other methods."""

    found: Estimate
    methods: dict[str, Estimate]


class Forecaster(QObject):
    """`told` an Estimate, `compared` one for each method, or `failed` with a sentence.

    The data is measured once for each model in the background; until then its lengths are assumed.
    """

    told = Signal(object)
    compared = Signal(object)
    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._task: Task | None = None
        self._config: RunConfig | None = None
        self._lengths: dict[str, DataLengths | None] = {}
        self._measuring: Task | None = None

    def ask(self, config: RunConfig) -> None:
        self._config = config
        lengths = self._known(config)
        self._task = Task(partial(_answer, config, lengths), self)
        self._task.done.connect(self._done)
        self._task.failed.connect(self._failed)
        self._task.start()

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

    @Slot(object)
    def _done(self, answer: _Answer) -> None:
        if self.sender() is self._task:
            self.told.emit(answer.found)
            self.compared.emit(answer.methods)

    @Slot(str)
    def _failed(self, sentence: str) -> None:
        if self.sender() is self._task:
            self.failed.emit(sentence)


def _answer(config: RunConfig, lengths: DataLengths | None) -> _Answer:
    # Read here: the arithmetic's modules are none of the first paint's business.
    from droid_tune.estimate.estimate import estimate
    from ui.forecasting_methods import by_method

    return _Answer(estimate(config, lengths), by_method(config, lengths))


def _data_key(config: RunConfig) -> str:
    """What the lengths depend on."""
    return f"{config.model.path}|{config.method.type == 'sft'}|{config.data.model_dump_json()}"


def _measured(config: RunConfig, key: str) -> tuple[str, DataLengths | None]:
    from droid_tune.estimate.lengths import measure_data

    try:
        return key, measure_data(config)
    except UserError:  # the Data pane says what is wrong with it
        return key, None


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
