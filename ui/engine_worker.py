"""The one door to the engine: a thread that trains, and what the window asks of runs on disk.

Everything of `droid_tune.train` is imported inside functions, so that building the window reads no MLX; MLX itself
is first imported inside the engine's thread. `EngineDoor` is what the window knows; tests put a fake in its place.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtCore import QObject, QThread, Signal

from droid_tune.config import RunConfig
from droid_tune.errors import UserError
from droid_tune.events import Event

if TYPE_CHECKING:
    from droid_tune.train.runs import RunSummary

log = logging.getLogger(__name__)

Emit = Callable[[Event], None]


class Steering(Protocol):
    """`droid_tune.train.control.Control`, as far as the window steers."""

    def request_stop(self) -> None: ...
    def request_pause(self) -> None: ...
    def resume(self) -> None: ...


class EngineDoor(Protocol):
    """What the window asks of the engine. `train` and `resume` block: they are called in the engine's thread."""

    def control(self) -> Steering: ...
    def create(self, config: RunConfig) -> Path: ...
    def train(self, config: RunConfig, folder: Path, control: Any, emit: Emit) -> object: ...
    def resume(self, folder: Path, control: Any, emit: Emit, total_steps: int | None) -> object: ...
    def runs(self) -> list[RunSummary]: ...
    def rename(self, folder: Path, name: str) -> None: ...


class Engine:
    """The real engine."""

    def control(self) -> Steering:
        from droid_tune.train.control import Control

        return Control()

    def create(self, config: RunConfig) -> Path:
        from droid_tune.train.runs import create_run

        return create_run(config)

    def train(self, config: RunConfig, folder: Path, control: Any, emit: Emit) -> object:
        from droid_tune.train.engine import run_training

        return run_training(config, folder, control, emit)

    def resume(self, folder: Path, control: Any, emit: Emit, total_steps: int | None) -> object:
        from droid_tune.train.engine import resume_training

        return resume_training(folder, control, emit, total_steps=total_steps)

    def runs(self) -> list[RunSummary]:
        from droid_tune.train.runs import list_runs

        return list_runs()

    def rename(self, folder: Path, name: str) -> None:
        """Change the name in the run's config; nothing that decides the training."""
        from droid_tune.config import dump_yaml
        from droid_tune.paths import RunPaths
        from droid_tune.train.durable import write_text
        from droid_tune.train.runs import read_config

        renamed = read_config(folder).model_copy(update={"name": name})
        write_text(RunPaths(folder).config, dump_yaml(renamed))


class EngineThread(QThread):
    """Runs one training to its end. `finished` always comes; `failed` before it where the engine could not say so itself."""

    told = Signal(object)  # an Event
    failed = Signal(str)

    def __init__(self, work: Callable[[Emit], object], parent: QObject) -> None:
        super().__init__(parent)
        self.setObjectName("engine")
        self._work = work

    def run(self) -> None:
        try:
            self._work(self.told.emit)
        except UserError as error:
            self.failed.emit(str(error))
        except BaseException as error:  # a thread that dies silently would leave the window waiting
            log.error("the engine failed\n%s", traceback.format_exc())
            self.failed.emit(f"The engine met an unexpected error: {type(error).__name__}: {error}")
