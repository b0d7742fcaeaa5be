"""A run that is asked to stop after some steps, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from droid_tune.control import Control
from droid_tune.events import Event
from droid_tune.runs.folder import create_run
from droid_tune.train.engine import run_training
from tests.engine.train.conftest import tiny


def stopped_after(folder: Path, steps: int, **changes: Any) -> None:
    """TINY with `changes`, stopped when so many steps are done."""
    control = Control()

    def emit(event: Event) -> None:
        if event.type == "step" and event.step == steps:
            control.request_stop()

    config = tiny(**changes)
    create_run(config, folder)
    assert run_training(config, folder, control, emit).outcome == "stopped"
