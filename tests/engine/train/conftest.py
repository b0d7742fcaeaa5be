"""Small real runs on the bundled starter model, and a way to run them in a process of their own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import RunConfig, merge, resolve
from droid_tune.control import Control
from droid_tune.events import Event, RunFinished
from droid_tune.runs.folder import create_run
from droid_tune.train.engine import resume_training, run_training
from droid_tune.train.engine_child import train_apart
from droid_tune.train.saving.journal import Listener

#: a run of seconds: the starter, four completions of at most 12 tokens, no evaluation
TINY: dict[str, Any] = {
    "method": {"type": "grpo", "group_size": 4},
    "training": {"iterations": 2, "batch_size": 2},
    "sampling": {"max_completion_length": 12},
    "rewards": [{"type": "format", "pattern": "The answer"}, {"type": "length", "target": 8}],
    "evaluation": {"rows": 0},
    "optimizer": {"learning_rate": 1e-3},
}

Record = list[Event]


def tiny(**changes: Any) -> RunConfig:
    """TINY with changes laid over it."""
    return resolve(merge(TINY, changes))


def train(config: RunConfig, folder: Path, control: Control | None = None) -> tuple[RunFinished, Record]:
    """Run in this process; the end and every event."""
    record: Record = []
    create_run(config, folder)
    return run_training(config, folder, control or Control(), record.append), record


def resume(
    folder: Path, control: Control | None = None, further: int | None = None
) -> tuple[RunFinished, Record]:
    record: Record = []
    return resume_training(folder, control or Control(), record.append, further), record


def digest(folder: Path) -> str:
    """Of what was learnt: the adapter's bytes."""
    return hashlib.sha256((folder / "adapters.safetensors").read_bytes()).hexdigest()


#: leads a run that `create_run` made to its end, or one that stopped
Training = Callable[[Path, Control, Listener], RunFinished]
#: where the engine trains; a test that takes `training` or `apart` is run in each
MODES = [pytest.param(False, id="thread"), pytest.param(True, id="process", marks=pytest.mark.slow)]


@pytest.fixture(params=MODES)
def apart(request: pytest.FixtureRequest) -> bool:
    """Whether the engine has a process of its own."""
    return request.param


@pytest.fixture
def training(apart: bool) -> Training:
    """Trains, or goes on, in the mode that is tried."""
    return train_apart if apart else resume_training


STOPPER = """
import json, os, signal, sys
from pathlib import Path
import psutil
from droid_tune.config import resolve
from droid_tune.control import Control
from droid_tune.train.engine import resume_training
from droid_tune.train.engine_child import train_apart
from droid_tune.runs.folder import create_run

folder, values, kind, number, how = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5]
train = train_apart if sys.argv[6] == "process" else resume_training
control, seen = Control(), 0

def emit(event):
    global seen
    name = event.phase if event.type == "phase" else event.type
    seen += name == kind
    if kind and name == kind and seen == number:
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif how == "kill engine":
            psutil.Process().children()[0].kill()
        else:
            control.request_stop()

if not (folder / "config.yaml").exists():
    create_run(resolve(values), folder)
print(train(folder, control, emit).outcome)
"""


@pytest.fixture
def in_process(project_root: Path) -> Callable[..., str]:
    """Train (or resume) in a new process; it is stopped or killed at the `number`-th event of a kind.

    Where the engine is `apart`, `kill engine` kills the engine's process alone.
    """

    def call(
        folder: Path,
        values: dict[str, Any],
        kind: str = "",
        number: int = 0,
        how: str = "stop",
        *,
        apart: bool = False,
    ) -> str:
        environment = os.environ | {"PYTHONPATH": str(project_root)}
        done = subprocess.run(
            [
                *(sys.executable, "-c", STOPPER, str(folder), json.dumps(values), kind, str(number), how),
                "process" if apart else "thread",
            ],
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,  # a busy machine is slow
            check=False,
        )
        return done.stdout.strip() or f"exit {done.returncode}: {done.stderr[-800:]}"

    return call
