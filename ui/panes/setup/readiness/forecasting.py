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
#: what stays in memory between the stages
MODEL_PARTS = ("weights", "adapters", "optimizer", "reference", "teacher", "framework")
VERDICTS = {
    "fits": ("Fits", "good", "good_soft"),
    "tight": ("Tight", "warning", "warning_soft"),
    "too_large": ("Too large", "bad", "bad_soft"),
    "unknown": ("Unknown", "secondary", "raised"),
}


class Forecaster(QObject):
    """`told` an Estimate, `compared` one for each method, or `failed` with a sentence.

    One estimate at a time: what was asked meanwhile waits, and only the newest of it. The methods are compared once
    the form is left alone. The data is measured once for each model; until then its lengths are assumed. The Hub is
    asked once for the sizes of a model that is not on this computer; until then nothing is said of it. `hampered`
    tells what else went wrong, nothing with a new question: the estimate stands, but on assumed lengths, or without the
    other methods beside it.
    """

    told = Signal(object)
    compared = Signal(object)
    failed = Signal(str)
    hampered = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._config: RunConfig | None = None
        self._asked = 0
        self._answering = 0  # which of the questions is being answered, 0 is none
        self._comparison: Task | None = None
        self._lengths: dict[str, DataLengths | None] = {}
        self._fetched: dict[tuple[str, str], str] = {}  # models asked for at the Hub: why there is no answer
        self._compare_later = QTimer(self)
        self._compare_later.setSingleShot(True)
        self._compare_later.setInterval(COMPARE_AFTER_MS)
        self._compare_later.timeout.connect(self._compare)

    def ask(self, config: RunConfig) -> None:
        """What would this run need? The answer comes by a signal."""
        self._config = config
        self._asked += 1
        self.hampered.emit("")
        if not self._answering:
            self._answer(config)

    def _answer(self, config: RunConfig) -> None:
        self._answering = self._asked
        Task(
            partial(_estimated, config, self._known(config)), self, done=self._done, failed=self._failed
        ).start()

    def _done(self, found: Estimate) -> None:
        if not self._is_newest():
            return
        self.told.emit(found)
        self._compare_later.start()
        if not found.known and self._config is not None:
            self._fetch(self._config.model.path, self._config.model.revision)

    def _fetch(self, name: str, revision: str) -> None:
        """Ask the Hub for the sizes of a model, and for the estimate again where it knows them."""
        if (name, revision) in self._fetched:
            self.hampered.emit(self._fetched[name, revision])
            return
        self._fetched[name, revision] = "The Hugging Face Hub is asked for the model’s sizes…"
        self.hampered.emit(self._fetched[name, revision])
        Task(
            partial(_fetch_facts, name, revision),
            self,
            done=partial(self._ask_again, name),
            failed=partial(self._say_unfetched, name, revision),
        ).start()

    def _ask_again(self, name: str, _: object) -> None:
        if self._config is not None and self._config.model.path == name:
            self.ask(self._config)

    def _say_unfetched(self, name: str, revision: str, sentence: str) -> None:
        self._fetched[name, revision] = sentence
        if self._config is not None and self._config.model.path == name:
            self.hampered.emit(sentence)

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
        if self._config is None:
            return
        if self._comparison is not None:
            self._comparison.drop()
        lengths = self._lengths.get(_data_key(self._config))
        self._comparison = Task(
            partial(_compared, self._config, lengths),
            self,
            done=self.compared.emit,
            failed=self._say_uncompared,
        ).start()

    def _say_uncompared(self, sentence: str) -> None:
        self.hampered.emit(f"The methods could not be compared: {sentence}")

    def _known(self, config: RunConfig) -> DataLengths | None:
        """What is known of the data's lengths; begins to measure them where nothing is."""
        key = _data_key(config)
        if key not in self._lengths:
            self._lengths[key] = None
            Task(
                partial(_measured, config),
                self,
                done=partial(self._keep, key),
                failed=partial(self._say_unmeasured, key),
            ).start()
        return self._lengths[key]

    def forget_data(self) -> None:
        """The data may have changed in its place: it is measured anew for the next question."""
        self._lengths.clear()

    def _keep(self, key: str, lengths: DataLengths | None) -> None:
        self._lengths[key] = lengths
        if lengths is not None and self._config is not None and _data_key(self._config) == key:
            self.ask(self._config)

    def _say_unmeasured(self, key: str, sentence: str) -> None:
        self._lengths.pop(key, None)  # the next question tries again
        self.hampered.emit(f"The data could not be measured, so its lengths are assumed: {sentence}")


# What these import is none of the first paint's business.


def _estimated(config: RunConfig, lengths: DataLengths | None) -> Estimate:
    from droid_tune.estimate.estimate import estimate

    return estimate(config, lengths)


def _fetch_facts(name: str, revision: str) -> None:
    from droid_tune.model_files.hub_facts import fetch_facts, is_of_hub

    if is_of_hub(name):
        fetch_facts(name, revision)


def _compared(config: RunConfig, lengths: DataLengths | None) -> dict[str, Estimate]:
    from ui.panes.setup.readiness.forecasting_methods import by_method

    return by_method(config, lengths)


def _measured(config: RunConfig) -> DataLengths | None:
    from droid_tune.estimate.lengths import measure_data

    try:
        return measure_data(config, quick=True)
    except UserError:  # the Data pane says what is wrong with it
        return None


def _data_key(config: RunConfig) -> str:
    """What the lengths depend on."""
    return f"{config.model.path}|{config.method.type == 'sft'}|{config.data.model_dump_json()}"


def model_bytes(found: Estimate) -> float:
    """What stays in memory between the stages, of the estimated peak."""
    worst = found.peak.parts[found.peak.worst]
    factor = found.peak_bytes / max(1, found.peak.bytes)
    return factor * sum(worst.get(name, 0) for name in MODEL_PARTS)


def forecast_words(found: Estimate) -> str:
    """`About 2.1 GB of 19.0 GB · about 2 h 10 min (1 h 50 min to 2 h 40 min)`."""
    if not found.known:
        return "Whether it fits is not known: nobody here knows the model’s size."
    duration = found.duration
    least, most = words.duration(duration.least), words.duration(duration.most)
    time = f"about {words.duration(duration.total)} ({least} to {most})"
    return f"{words.size(found.peak_bytes)} of {words.size(found.budget_bytes)} · {time}"


def forecast_details(found: Estimate) -> str:
    """The parts of the memory at the worst moment, where the time comes from, and what was assumed."""
    if not found.known:
        return "\n".join(found.notes)
    parts = found.peak.parts[found.peak.worst]
    largest = sorted(parts.items(), key=lambda part: -part[1])
    lines = [f"{name.replace('_', ' ')}: {words.size(count)}" for name, count in largest if count]
    basis = f"Time: {words.pace(found.duration.per_step)} per step, {found.duration.basis}"
    return "\n".join([f"Most memory in: {found.peak.worst}", *lines, basis, *found.notes])
