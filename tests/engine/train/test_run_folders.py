"""Locks, lists and durable small files."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from droid_tune.control import Control
from droid_tune.errors import Stopped, UserError
from droid_tune.events import ROLLOUTS, TRANSIENT, Event, Paused, RolloutGroup, RunFinished, RunStarted, Step
from droid_tune.paths import RunPaths, private_file
from droid_tune.queue.queue_turns import at_work
from droid_tune.queue.run_queue import RunQueue
from droid_tune.runs.disk.durable import disk_error, write_text
from droid_tune.runs.disk.lock import RunLock, is_locked
from droid_tune.runs.disk.soft_lock import SoftLock
from droid_tune.runs.folder import (
    begun,
    create_run,
    find_run,
    list_runs,
    read_config,
    slug,
    summarise,
)
from droid_tune.runs.log import EventLog, LineFile, read_events, replay
from droid_tune.runs.state import RunState
from droid_tune.runs.status import Status, read_status, write_status
from droid_tune.train.engine import run_training
from droid_tune.train.saving.journal import Journal
from tests.engine.train.conftest import Training, resume, tiny, train


def test_one_lock_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with RunLock(path):
        assert is_locked(path)
        with pytest.raises(UserError, match="being trained by another Droid Tune"), RunLock(path):
            pass
    assert not is_locked(path)


def test_a_second_process_on_the_same_run_is_refused_and_touches_nothing(
    tmp_path: Path, project_root: Path
) -> None:
    folder = create_run(tiny(), tmp_path / "run")
    with RunLock(RunPaths(folder).lock):
        finished, _ = resume(folder)
    assert finished.outcome == "failed"
    assert "another Droid Tune" in finished.why
    assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "lock"]


def test_a_disk_that_was_made_read_only_leaves_a_run_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = create_run(tiny(), tmp_path / "run")
    (RunPaths(folder).checkpoints / "step-000007").mkdir(parents=True)

    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("droid_tune.runs.disk.lock.os.open", refuse)
    finished, told = resume(folder)
    assert (finished.outcome, finished.step) == ("failed", 7)
    assert RunState().apply_all(told).step == 7
    assert finished.why == (
        f"{RunPaths(folder).lock} cannot be written (Read-only file system); "
        "make it writable (or choose another folder) and resume the run."
    )


def refusing(code: int) -> Callable[[int, int], None]:
    """`flock` as some network homes answer it."""

    def refuse(descriptor: int, how: int) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


def test_a_run_that_ends_before_it_could_begin_is_listed_as_it_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down() -> None:
        raise RuntimeError("out of cheese")

    monkeypatch.setattr("droid_tune.train.distributed.join_world", break_down)
    folder = create_run(tiny(), tmp_path / "runs" / "run")
    finished, _ = resume(folder)
    (listed,) = list_runs(tmp_path / "runs")
    assert "out of cheese" in finished.why
    assert (listed.state, listed.why) == (finished.outcome, finished.why) == ("failed", finished.why)


def test_a_run_that_another_trains_keeps_what_the_list_says(tmp_path: Path) -> None:
    folder = create_run(tiny(), tmp_path / "runs" / "run")
    with RunLock(RunPaths(folder).lock):
        resume(folder)
    assert read_status(folder) == Status()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = f"from droid_tune.runs.disk.lock import RunLock; RunLock(__import__('pathlib').Path({str(path)!r})).__enter__()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
    assert not is_locked(path)


def test_runs_are_listed_newest_first_with_their_state() -> None:
    first, second = create_run(tiny(name="first one")), create_run(tiny(name="second"))
    write_status(first, state="stopped", step=3, total_steps=9, created=1.0)
    write_status(second, state="running", step=2, total_steps=9, created=2.0)
    runs = list_runs()
    assert [(run.name, run.state, run.resumable) for run in runs] == [
        ("second", "interrupted", True),  # it says running, but nobody holds its lock
        ("first one", "stopped", True),
    ]


def test_a_run_would_go_on_from_its_newest_checkpoint_not_from_its_last_step() -> None:
    folder = create_run(tiny())
    write_status(folder, state="running", step=33, total_steps=60, created=1.0)
    assert summarise(folder).saved_step == 0
    for name in ("step-000010", "step-000020", ".step-000030.17.tmp"):
        (RunPaths(folder).checkpoints / name).mkdir(parents=True)
    run = summarise(folder)
    assert (run.step, run.saved_step) == (33, 20)


def test_a_run_keeps_the_time_when_it_began(tmp_path: Path) -> None:
    folder = create_run(tiny(), tmp_path / "run")
    write_status(folder, state="stopped", step=3, total_steps=9, created=1.0)
    assert begun(folder) == 1.0
    assert begun(tmp_path) > 1e9  # a new one begins now


def test_an_unreadable_run_is_listed_with_its_reason() -> None:
    folder = create_run(tiny())
    RunPaths(folder).config.write_text("method: {type: nonsense}")
    (run,) = list_runs()
    assert run.state == "failed"
    assert "nonsense" in run.why


def test_a_run_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    folder = create_run(tiny())
    assert find_run(folder.name[:12]) == folder
    assert find_run(str(folder)) == folder
    with pytest.raises(UserError, match="There is no run"):
        find_run("nothing")


def test_a_config_of_a_newer_version_is_refused() -> None:
    folder = create_run(tiny())
    text = RunPaths(folder).config.read_text().replace("version: 1", "version: 7", 1)
    RunPaths(folder).config.write_text(text)
    with pytest.raises(UserError, match="newer Droid Tune"):
        read_config(folder)


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    create_run(tiny(), tmp_path / "run")
    with pytest.raises(UserError, match="holds a run already"):
        create_run(tiny(), tmp_path / "run")


@pytest.mark.parametrize(
    ("text", "expected"), [("GRPO Qwen3/0.6B", "grpo-qwen3-0-6b"), ("äöü", "run"), ("  ", "run")]
)
def test_names_become_plain_folder_names(text: str, expected: str) -> None:
    assert slug(text) == expected


def test_a_small_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_half_written_goes_with_the_next_look(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    run = create_run(tiny(data={"path": str(tmp_path / "no-data")}), tmp_path / "run")
    queue = RunQueue(tmp_path / "queue")
    queue.set_mode("off")
    for folder in (run, queue.folder):
        (folder / f".status.json.{ended.pid}.tmp").touch()
        (folder / f".status.json.{os.getppid()}.tmp").touch()  # that one still writes
        (folder / ".own.tmp").touch()
    assert run_training(read_config(run), run, Control(), print).outcome == "failed"
    with at_work(queue):
        pass
    for folder in (run, queue.folder):
        left = {one.name for one in folder.iterdir() if one.name.endswith(".tmp")}
        assert left == {f".status.json.{os.getppid()}.tmp", ".own.tmp"}


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "No space is left"), (errno.EACCES, "cannot be written"), (errno.EIO, "failed")],
)
def test_disk_errors_are_sentences(number: int, words: str) -> None:
    assert words in str(disk_error(OSError(number, "why"), Path("x")))


def test_control_stops_pauses_and_goes_on() -> None:
    control = Control()
    control.pause_point()
    control.request_pause()
    assert control.pause_requested()
    control.request_stop()  # ends the pause too
    with pytest.raises(Stopped):
        control.pause_point()


def test_the_folder_of_a_finished_run_is_what_mlx_lm_takes(tmp_path: Path) -> None:
    from mlx_lm import load
    from mlx_lm.utils import load_model

    from droid_tune.paths import starter_model_dir

    folder = tmp_path / "run"
    train(tiny(), folder)
    model, tokenizer = load(str(starter_model_dir()), adapter_path=str(folder))[:2]
    base, _ = load_model(starter_model_dir())
    import mlx.core as mx

    tokens = mx.array([tokenizer.encode("What is two plus two?")])
    assert not mx.allclose(model(tokens), base(tokens)).item()


def test_what_is_said_before_a_run_begins_follows_its_first_event(tmp_path: Path) -> None:
    told: list[Event] = []
    with Journal(create_run(tiny(), tmp_path / "run"), told.append) as journal:
        journal.notice("early", "Said before.")
        journal.emit(RunStarted(config={}, total_steps=1))
        journal.notice("late", "Said after.")
    assert [getattr(event, "code", event.type) for event in told] == ["run_started", "early", "late"]


def test_time_at_work_begins_once_the_model_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, now = create_run(tiny(), tmp_path / "run"), [0.0]
    monkeypatch.setattr("droid_tune.train.saving.journal.time.monotonic", lambda: now[0])
    for reading, training, expected in ((100.0, 7.0, 7.0), (50.0, 3.0, 10.0)):  # a second session goes on
        with Journal(folder, lambda _event: None) as journal:
            now[0] += reading
            journal.begin(0, 1)
            journal.emit(RunStarted(config={}, total_steps=1))
            now[0] += training
            journal.finish(RunFinished(outcome="stopped", step=1))
        assert summarise(folder).seconds == expected


def moving(
    training: Training, folder: Path, how: Callable[[], object], *, attended: bool = False
) -> tuple[RunFinished, list[Event]]:
    """A run of three steps, to whose folder something happens after the first."""
    control = Control(attended=attended)
    record: list[Event] = []

    def emit(event: Event) -> None:
        record.append(event)
        if isinstance(event, Step) and event.step == 1:
            how()
        if isinstance(event, Paused):
            shutil.copytree(folder.parent / "copy", folder)
            control.resume()

    create_run(tiny(training={"iterations": 3}, checkpoint={"save_every": 2}), folder)
    return training(folder, control, emit), record


def delete(folder: Path) -> None:
    """Also while an engine in another process makes and replaces files in it."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize(("step", "kept"), [(7, {"eval/accuracy": 0.3, "reward": 0.5}), (2, {"reward": 0.5})])
def test_a_resume_keeps_what_the_list_of_runs_shows_until_then(
    step: int, kept: dict[str, float], tmp_path: Path
) -> None:
    folder = create_run(tiny(), tmp_path / "run")
    write_status(
        folder, state="stopped", step=7, total_steps=9, metrics={"eval/accuracy": 0.3, "reward": 0.4}
    )
    with Journal(folder, lambda _event: None) as journal:
        journal.begin(step, 9)
        journal.progressed(step + 1, {"reward": 0.5})
        journal.finish(RunFinished(outcome="stopped", step=step + 1))
    assert read_status(folder).metrics == kept


def test_a_folder_that_moves_is_followed_and_never_split(training: Training, tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "run", tmp_path / "new" / "run"
    new.parent.mkdir()
    finished, record = moving(training, old, lambda: old.rename(new))
    assert finished.outcome == "completed", finished.why
    assert list(old.parent.iterdir()) == []
    assert (new / "adapters.safetensors").is_file()
    assert sorted(one.name for one in (new / "checkpoints").iterdir()) == ["step-000002", "step-000003"]
    assert summarise(new).state == "completed"
    kept = [event.seq for event in read_events(new / "events.jsonl")]
    assert kept == [event.seq for event in record if not isinstance(event, TRANSIENT + ROLLOUTS)]
    assert "run_moved" in {getattr(event, "code", "") for event in record}


def test_a_folder_that_is_deleted_ends_the_run_in_a_sentence_and_is_not_made_again(
    training: Training, tmp_path: Path
) -> None:
    folder = tmp_path / "old" / "run"
    finished, _ = moving(training, folder, lambda: delete(folder))
    assert finished.outcome == "failed"
    assert f"The run's folder {folder} is gone; put it back where it was" in finished.why
    assert list(folder.parent.iterdir()) == []


def test_a_folder_that_comes_back_is_taken_up_again(training: Training, tmp_path: Path) -> None:
    folder = tmp_path / "old" / "run"

    def pull_the_disk() -> None:
        shutil.copytree(folder, folder.parent / "copy", ignore=shutil.ignore_patterns(".*"))
        delete(folder)

    finished, record = moving(training, folder, pull_the_disk, attended=True)
    assert finished.outcome == "completed", finished.why
    (paused,) = (event for event in record if isinstance(event, Paused))
    assert (paused.reason, paused.remedy) == ("folder", "Put it back where it was.")
    assert (folder / "adapters.safetensors").is_file()
    assert [event.step for event in read_events(folder / "events.jsonl") if isinstance(event, Step)] == [
        1,
        2,
        3,
    ]
    assert summarise(folder).state == "completed"


def test_a_folder_that_comes_back_as_it_was_earlier_gets_what_was_told_since(tmp_path: Path) -> None:
    folder, told = create_run(tiny(), tmp_path / "run"), list[Event]()
    with Journal(folder, told.append) as journal:
        journal.emit(RunStarted(config={}, total_steps=3))
        journal.emit(rollout_of(1))
        shutil.copytree(folder, tmp_path / "copy")
        journal.emit(Step(step=1, metrics={}))
        journal.emit(rollout_of(2))
        shutil.rmtree(folder)
        journal.emit(Step(step=2, metrics={}))
        (tmp_path / "copy").rename(folder)
        journal.follow()
        journal.emit(Step(step=3, metrics={}))
    assert [event.seq for event in told] == [1, 2, 3, 4, 5, 6]
    kept = [event.seq for event in replay(folder / "events.jsonl", folder / "rollouts.jsonl")]
    assert kept == [1, 2, 3, 4, 5, 6]


def test_a_line_that_the_lost_disk_took_in_part_is_whole_on_the_one_that_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, back = (
        EventLog(tmp_path / name, tmp_path / f"{name}-rollouts", "run") for name in ("lost", "back")
    )
    lost.write(Step(step=1, metrics={}))
    flush, room = LineFile.flush, [40]

    def takes_a_part(self: LineFile) -> None:
        part, self.waiting = self.waiting[room[0] :], self.waiting[: room.pop()]
        flush(self)
        self.waiting = part
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(LineFile, "flush", takes_a_part)
        lost.write(Step(step=2, metrics={}))
    assert not (tmp_path / "lost").read_bytes().endswith(b"\n")
    back.take_over(lost)
    back.write(Step(step=3, metrics={}))
    lost.close()
    back.close()
    assert [event.seq for event in read_events(tmp_path / "back")] == [1, 2, 3]


def rollout_of(step: int) -> RolloutGroup:
    return RolloutGroup(step=step, group=0, row=0, prompt="How many?", answer="7", completions=[])


def test_a_disk_without_locks_has_one_that_works_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", refusing(errno.ENOLCK))
    with RunLock(tmp_path / "lock") as lock:
        assert "has no locks of the system's" in lock.caution
        assert is_locked(tmp_path / "lock")
        with (
            pytest.raises(UserError, match=r"another Droid Tune \(process \d+ on "),
            RunLock(tmp_path / "lock"),
        ):
            pass
    assert not is_locked(tmp_path / "lock")


@pytest.mark.parametrize(
    ("holder", "age_s", "held"),
    [
        ({"host": socket.gethostname(), "pid": 2**22 + 1, "began": 1.0}, 0, False),  # nobody of this number
        (
            {"host": socket.gethostname(), "pid": os.getpid(), "began": 1.0},
            0,
            False,
        ),  # another of this number
        ({"host": "elsewhere", "pid": 1, "began": 1.0}, 10, True),
        ({"host": "elsewhere", "pid": 1, "began": 1.0}, 1000, False),
        ("damaged", 10, True),
        ("damaged", 1000, False),
    ],
)
def test_a_holder_counts_as_long_as_it_lives(
    holder: object, age_s: float, held: bool, tmp_path: Path
) -> None:
    file = tmp_path / "lock.holder"
    file.write_text(json.dumps(holder) if isinstance(holder, dict) else "{")
    then = time.time() - age_s
    os.utime(file, (then, then))
    lock = SoftLock(tmp_path / "lock")
    assert lock.is_held() == held
    assert lock.take() != held


def test_a_run_says_that_it_has_no_lock_of_the_system_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", refusing(errno.ENOTSUP))
    finished, record = train(tiny(training={"iterations": 1}), tmp_path / "run")
    assert finished.outcome == "completed"
    assert "lock_without_system" in {getattr(event, "code", "") for event in record}


def test_a_full_disk_that_takes_no_settings_leaves_no_folder_and_names_no_run(
    data_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match=r"No space is left .+; free some and begin again\.$"):
        create_run(tiny())
    assert list((data_home / "runs").iterdir()) == []


@pytest.mark.parametrize("goes_to", ["moved", ""])
def test_a_run_whose_folder_goes_while_a_checkpoint_is_written_is_followed_and_never_split(
    goes_to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, real = tmp_path / "run", private_file

    def goes(file: Path) -> None:  # the checkpoint's files are there, not yet under their names
        if run.exists() and file.name == "manifest.json":
            if goes_to:
                run.rename(tmp_path / goes_to)
            else:
                shutil.rmtree(run)
        real(file)

    monkeypatch.setattr("droid_tune.train.saving.checkpoint.private_file", goes)
    finished, _ = train(tiny(training={"iterations": 2}, checkpoint={"save_every": 1}), run)
    assert not run.exists()
    if goes_to:
        assert finished.outcome == "completed", finished.why
        assert sorted(RunPaths(tmp_path / goes_to).checkpoint_folders()) == [1, 2]
    else:
        assert (finished.outcome, "is gone" in finished.why) == ("failed", True), finished.why
