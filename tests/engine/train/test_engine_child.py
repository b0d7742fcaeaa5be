"""The engine in a process of its own: the same events and bytes, and a parent that outlives it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from droid_tune.control import Control
from droid_tune.events import Event, Paused, RunFinished, Step
from droid_tune.runs.folder import create_run, summarise
from droid_tune.train.engine import run_training
from droid_tune.train.engine_child import train_apart
from tests.engine.train.conftest import digest, tiny

Training = Callable[[Path, Control, Callable[[Event], object]], RunFinished]
CONFIG = tiny(
    training={"iterations": 3, "batch_size": 1}, checkpoint={"save_every": 1}, method={"group_size": 2}
)


def here(folder: Path, control: Control, emit: Callable[[Event], object]) -> RunFinished:
    return run_training(CONFIG, folder, control, emit)


MODES = pytest.mark.parametrize("training", [here, train_apart], ids=["thread", "process"])


def trained(
    folder: Path, training: Training, on: Callable[[Event, Control], object] = lambda *_: None
) -> list[Event]:
    create_run(CONFIG, folder)
    control, record = Control(attended=True), list[Event]()

    def emit(event: Event) -> None:
        record.append(event)
        on(event, control)

    assert training(folder, control, emit) == record[-1]
    return record


def test_both_modes_tell_the_same_and_learn_the_same_bytes(tmp_path: Path) -> None:
    records = [trained(tmp_path / name, one) for name, one in (("here", here), ("apart", train_apart))]
    told = [
        [(event.type, getattr(event, "step", None)) for event in record if event.type != "phase"]
        for record in records
    ]
    assert told[0] == told[1]
    assert told[0][0][0] == "run_started"
    assert digest(tmp_path / "here") == digest(tmp_path / "apart")


@pytest.mark.slow
@MODES
def test_a_stop_after_a_step_saves_it(training: Training, tmp_path: Path) -> None:
    record = trained(
        tmp_path, training, lambda event, control: isinstance(event, Step) and control.request_stop()
    )
    assert isinstance(record[-1], RunFinished)
    assert record[-1].outcome == "stopped"
    assert (tmp_path / "checkpoints").is_dir()


def engine_process() -> psutil.Process:
    children = psutil.Process(os.getpid()).children(recursive=True)
    return next(one for one in children if any("engine_process" in word for word in one.cmdline()))


def test_an_engine_that_dies_before_it_says_a_word_leaves_a_run_that_is_listed_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
    monkeypatch.setattr("droid_tune.train.engine_child.isolated_python", lambda *_: dying)
    (record,) = trained(tmp_path / "run", train_apart)
    assert isinstance(record, RunFinished)
    listed = summarise(tmp_path / "run")
    assert (listed.state, listed.why) == (record.outcome, record.why) == ("interrupted", record.why)


@pytest.mark.slow
def test_the_death_of_the_engine_is_told_and_the_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    def kill(event: Event, _: Control) -> None:
        if isinstance(event, Step) and event.step == 2:
            engine_process().send_signal(signal.SIGKILL)

    record = trained(tmp_path, train_apart, kill)
    assert isinstance(record[-1], RunFinished)
    assert record[-1].outcome == "interrupted"
    assert record[-1].why.startswith("The engine's process was ended by SIGKILL; resume the run")
    again: list[Event] = []
    assert train_apart(tmp_path, Control(), again.append).outcome == "completed"
    assert [event.step for event in again if isinstance(event, Step)][-1] == 3


@pytest.mark.slow
@MODES
def test_a_pause_of_the_engine_s_own_ends_when_the_person_says_so(training: Training, tmp_path: Path) -> None:
    """A reward file that fails until it is mended."""
    reward = tmp_path / "reward.py"
    reward.write_text("def reward(completion, row):\n    raise ValueError('not yet')\n")
    config = CONFIG.model_copy(
        update={"rewards": tiny(rewards=[{"type": "user_file", "path": str(reward)}]).rewards}
    )
    folder, control, record = tmp_path / "run", Control(attended=True), list[Event]()
    create_run(config, folder)

    def emit(event: Event) -> None:
        record.append(event)
        if isinstance(event, Paused):
            reward.write_text("def reward(completion, row):\n    return len(completion) / 10\n")
            control.resume()

    run = train_apart if training is train_apart else lambda *rest: run_training(config, *rest)
    assert run(folder, control, emit).outcome == "completed"
    assert sum(isinstance(event, Paused) for event in record) == 1
