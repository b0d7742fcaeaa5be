"""Asks, off the GUI thread, whether the rows of the data fit and whether held-out prompts leaked."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from droid_tune.config import RunConfig
from droid_tune.errors import UserError
from ui.background import Task

if TYPE_CHECKING:
    from droid_tune.estimate.readiness import DataReadiness

#: without another question
ASK_AFTER_MS = 300


class ReadinessAsker(QObject):
    """`told` a DataReadiness, or None where nothing is known; one question at a time, the newest is answered."""

    told = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._config: RunConfig | None = None
        self._known: dict[str, DataReadiness | None] = {}
        self._busy = False
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(ASK_AFTER_MS)
        self._later.timeout.connect(self._look)

    def ask(self, config: RunConfig) -> None:
        """What is known is told at once, the rest a moment after the last question."""
        self._config = config
        key = _key_of(config)
        if key in self._known:
            self.told.emit(self._known[key])
        else:
            self.told.emit(None)
            self._later.start()

    @Slot()
    def forget_data(self) -> None:
        """The data may have changed in its place."""
        self._known.clear()

    @Slot()
    def _look(self) -> None:
        if self._config is None or self._busy:
            return
        self._busy = True
        key = _key_of(self._config)
        Task(
            partial(_readiness, self._config),
            self,
            done=partial(self._keep, key),
            failed=partial(self._give_up, key),
        ).start()

    def _keep(self, key: str, found: DataReadiness | None) -> None:
        self._busy = False
        self._known[key] = found
        if self._config is not None:
            self.ask(self._config)

    def _give_up(self, key: str, _sentence: str) -> None:
        self._keep(key, None)  # the Data pane says what is wrong with it


def _readiness(config: RunConfig) -> DataReadiness | None:
    from droid_tune.data.dataset import UnusableDataError
    from droid_tune.estimate.readiness import DataReadiness, data_readiness

    try:
        return data_readiness(config)
    except UnusableDataError as error:
        return DataReadiness(looked_at=0, too_long=0, free=0, fault=str(error))
    except UserError:
        return None


def _key_of(config: RunConfig) -> str:
    """What the answer depends on."""
    sft = config.method.type == "sft"
    lengths = (config.training.max_seq_length, 0 if sft else config.sampling.max_completion_length)
    return f"{config.model.path}|{config.model.revision}|{sft}|{lengths}|{config.data.model_dump_json()}"
