"""A run that is killed, or asked to end by the system, at any of its events goes on exactly; in each of the engine's modes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from droid_tune.events import Step
from droid_tune.runs.disk.lock import is_locked
from droid_tune.runs.folder import list_runs, summarise
from droid_tune.runs.log import read_events
from tests.engine.train.conftest import TINY, digest

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]

VALUES: dict[str, Any] = {
    **TINY,
    "training": {"iterations": 3, "batch_size": 2},
    "checkpoint": {"save_every": 1},
    "evaluation": {"rows": 2, "steps_per_eval": 2},
}
POINTS = [
    (kind, number)
    for kind, times in {
        "rollout": 8,
        "reward": 4,
        "update": 4,
        "save": 3,
        "evaluate": 4,
        "step": 3,
        "checkpoint": 3,
        "evaluation": 2,
    }.items()
    for number in range(1, times + 1)
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> str:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert ended(command(["train", "--out", str(folder)], folder.parent, project_root)) == (0, "")
    return digest(folder)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code, and where it is none that was hoped for what was said."""
    with process:
        _, said = process.communicate(timeout=900)
    return process.returncode, said if process.returncode not in (0, 130) else ""


def command(words: list[str], folder: Path, project_root: Path, **options: Any) -> subprocess.Popen[str]:
    """The command line with the settings of these tests."""
    config = folder / "settings.json"
    config.write_text(json.dumps(VALUES))
    given = ["--config", str(config)] if words[0] == "train" else []
    return subprocess.Popen(
        [sys.executable, "-m", "droid_tune", *words, *given],
        env={**os.environ, "PYTHONPATH": str(project_root)},
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        **options,
    )


@pytest.mark.parametrize("point", POINTS, ids=lambda one: f"{one[0]} {one[1]}")
def test_killed_at_any_event_it_goes_on_exactly(
    point: tuple[str, int], apart: bool, in_process: Callable[..., str], tmp_path: Path, whole: str
) -> None:
    folder = tmp_path / "run"
    said = in_process(folder, VALUES, *point, "kill engine" if apart else "kill", apart=apart)
    # There are as many events. An engine apart is a little further than what is heard of it, and may have ended.
    assert said in ("interrupted", "completed") if apart else said.startswith("exit -9"), said
    assert summarise(folder).state in ("interrupted", "completed", "failed")
    assert len(list_runs(tmp_path)) == 1
    assert_goes_on(folder, in_process, whole, apart=apart)


def assert_goes_on(folder: Path, in_process: Callable[..., str], whole: str, *, apart: bool) -> None:
    said = in_process(folder, VALUES, apart=apart)
    assert said == "completed", said
    assert digest(folder) == whole
    steps = [event.step for event in read_events(folder / "events.jsonl") if isinstance(event, Step)]
    assert sorted(set(steps)) == [1, 2, 3]


@pytest.mark.parametrize("point", [("run_started", 1), ("rollout", 2), ("step", 1), ("save", 2)], ids=str)
def test_an_engine_whose_window_is_killed_saves_and_ends_by_itself(
    point: tuple[str, int], in_process: Callable[..., str], tmp_path: Path, whole: str
) -> None:
    folder = tmp_path / "run"
    assert in_process(folder, VALUES, *point, "kill", apart=True).startswith("exit -9")
    end = time.monotonic() + 600
    while is_locked(folder / "lock") and time.monotonic() < end:
        time.sleep(0.05)
    assert summarise(folder).state in ("stopped", "completed")
    assert_goes_on(folder, in_process, whole, apart=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
@pytest.mark.parametrize("after", ["run_started", "step"])
def test_a_signal_saves_and_stops_and_the_run_goes_on_exactly(
    number: signal.Signals, after: str, apart: bool, tmp_path: Path, project_root: Path, whole: str
) -> None:
    folder, mode = tmp_path / "run", ["--separate-process"] if apart else []
    process = command(["train", "--out", str(folder), *mode], tmp_path, project_root)
    events = folder / "events.jsonl"
    while process.poll() is None and (not events.exists() or f'"type":"{after}"' not in events.read_text()):
        pass
    process.send_signal(number)
    code, said = ended(process)
    assert code in (0, 130), said
    assert ended(command(["resume", str(folder), *mode], tmp_path, project_root))[0] == 0
    assert digest(folder) == whole
