"""The same numbers in other programs: live, whole after a crash, never doubled, and no reason to lose a run."""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from droid_tune.cli import main
from droid_tune.config import resolve
from droid_tune.errors import UserError
from droid_tune.events import Evaluation, Event, Notice, RunFinished, RunStarted, Step
from droid_tune.paths import RunPaths
from droid_tune.runs.log import EventLog
from droid_tune.tracking import table
from droid_tune.tracking.base import TrackedRun
from droid_tune.tracking.table import TrackerEntry
from droid_tune.tracking.tracked_listener import TrackedListener
from tests.engine.train.conftest import tiny, train

#: a session: where it goes on, to which step, and whether it could say its end
Session = tuple[int, int, bool]
CRASHED: list[Session] = [(0, 6, False), (4, 10, True)]


class Recorder:
    """Keeps what it is told; fails at a step, where one is given."""

    def __init__(self, fails_at: int = -1) -> None:
        self.fails_at = fails_at
        self.opened = 0
        self.closed = 0
        self.series: dict[str, list[tuple[int, float]]] = {}

    def open(self, run: TrackedRun) -> None:
        self.opened += 1
        self.series.clear()

    def log(self, step: int, values: Mapping[str, float], at: float) -> None:
        if step == self.fails_at:
            raise RuntimeError("the disk is full")
        for name, value in values.items():
            self.series.setdefault(name, []).append((step, value))

    def close(self) -> None:
        self.closed += 1


def run_sessions(folder: Path, sessions: list[Session], name: str = "tensorboard") -> list[Event]:
    """What the listener hears of a run of several sessions; a second one tells other values."""
    folder.mkdir(parents=True, exist_ok=True)
    heard: list[Event] = []
    config = resolve({"tracking": {name: True}})
    for start, until, ends in sessions:
        listener = TrackedListener(config, folder, heard.append)
        log = EventLog(RunPaths(folder).events, RunPaths(folder).rollouts, folder.name)
        tell: Callable[[Event], None] = lambda event, listener=listener, log=log: listener(log.write(event))  # noqa: E731
        tell(RunStarted(config={}, total_steps=10, start_step=start))
        for step in range(start + 1, until + 1):
            tell(Step(step=step, metrics={"reward": step + start / 10, "kl": None}, seconds={"rollout": 0.5}))
            if step % 2 == 0:
                tell(Evaluation(step=step, metrics={"eval/accuracy": step / 10}, rows=4))
        if ends:
            tell(RunFinished(outcome="completed", step=until))
        log.close()
        listener.close()
    return heard


#: of CRASHED: steps 5 and 6 as the second session did them
REWARD = [(step, float(step)) for step in range(1, 5)] + [(step, step + 0.4) for step in range(5, 11)]
ACCURACY = [(step, step / 10) for step in range(2, 11, 2)]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setitem(table.TRACKERS, "tensorboard", TrackerEntry("json", lambda: made))
    return made


def test_after_a_crash_the_series_is_whole_and_nothing_stands_twice(
    recorder: Recorder, tmp_path: Path
) -> None:
    heard = run_sessions(tmp_path / "run", CRASHED)
    assert recorder.series["reward"] == REWARD
    assert recorder.series["eval/accuracy"] == ACCURACY
    assert "kl" not in recorder.series
    assert (recorder.opened, recorder.closed) == (2, 2)
    assert not any(isinstance(event, Notice) for event in heard)


def test_a_tracker_that_fails_is_told_of_once_and_the_run_goes_on(recorder: Recorder, tmp_path: Path) -> None:
    recorder.fails_at = 3
    heard = run_sessions(tmp_path / "run", [(0, 6, True)])
    (notice,) = [event for event in heard if isinstance(event, Notice)]
    assert notice.text == "tensorboard takes no more numbers of this run: RuntimeError: the disk is full."
    assert len([event for event in heard if isinstance(event, Step)]) == 6
    assert recorder.series["reward"] == [(1, 1.0), (2, 2.0)]


def test_a_missing_package_is_one_sentence_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, data_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(table.TRACKERS, "wandb", TrackerEntry("no_such_package", Recorder))
    assert main(["train", "--track", "wandb"]) == 1
    said = capsys.readouterr().err
    assert "tracking.wandb: The package no_such_package is not installed" in said
    assert said.count("\n") == 1
    assert not (data_home / "runs").exists()
    with pytest.raises(UserError, match="no_such_package"):
        TrackedListener(resolve({"tracking": {"wandb": True}}), data_home, print)


def test_a_real_run_is_tracked(recorder: Recorder, tmp_path: Path) -> None:
    finished, record = train(
        tiny(tracking={"tensorboard": True}, training={"iterations": 1}), tmp_path / "run"
    )
    assert finished.outcome == "completed"
    rewards = [(event.step, event.metrics["reward"]) for event in record if isinstance(event, Step)]
    assert recorder.series["reward"] == rewards
    assert recorder.closed == 1


# --- the libraries themselves ----------------------------------------------------------------------------------------


def records(file: Path, start: int, header: str, block: int = 0) -> Iterator[bytes]:
    """The payloads of a file of length-prefixed records: TensorBoard's, or LevelDB's in blocks."""
    data, place, rest = file.read_bytes(), start, b""
    size = struct.calcsize(header)
    while place + size <= len(data):
        if block and block - place % block < size:
            place += block - place % block
            continue
        fields = struct.unpack_from(header, data, place)
        length, kind = (fields[1], fields[2]) if block else (fields[0], 1)
        place += size
        rest += data[place : place + length]
        place += length + (0 if block else 4)
        if kind in (1, 4):
            yield rest
            rest = b""


def test_tensorboard_reads_one_whole_series(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event as TensorboardEvent

    run_sessions(tmp_path / "run", CRASHED)
    (file,) = (tmp_path / "run" / "tensorboard").iterdir()
    events = [TensorboardEvent.FromString(data) for data in records(file, 0, "<QI")]
    purges = [event.step for event in events if event.HasField("session_log")]
    assert purges == [0], "a TensorBoard that read the earlier file forgets it"
    told = [(value.tag, event.step, value.simple_value) for event in events for value in event.summary.value]
    assert {step: value for tag, step, value in told if tag == "reward"} == pytest.approx(dict(REWARD))
    assert len(told) == 10 + 10 + 5  # rewards, seconds, held-out


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is not installed")
def test_wandb_keeps_one_offline_run(tmp_path: Path) -> None:
    from wandb.proto.wandb_internal_pb2 import Record

    run_sessions(tmp_path / "run", CRASHED, "wandb")
    (file,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    told: dict[int, dict[str, Any]] = {}
    for data in records(file, 7, "<IHB", 32768):
        record = Record.FromString(data)
        if record.WhichOneof("record_type") == "history":
            items = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
            told[record.history.step.num] = items
    assert [(step, float(items["reward"])) for step, items in told.items()] == REWARD


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("trackio") is None, reason="trackio is not installed")
def test_trackio_keeps_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    run_sessions(tmp_path / "run", CRASHED, "trackio")
    assert [run.name for run in trackio.Api().runs("droid-tune")] == ["run"]
    told = SQLiteStorage.get_logs("droid-tune", "run")
    assert sorted((row["step"], row["reward"]) for row in told if "reward" in row) == REWARD
