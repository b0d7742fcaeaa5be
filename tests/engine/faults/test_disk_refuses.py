"""Every call of a save, an export and a change of the queue fails once: what was there stays, and the next try succeeds."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlx.core as mx
import psutil
import pytest

from droid_tune.config import resolve
from droid_tune.config.exporting import ExportRequest
from droid_tune.control import Control
from droid_tune.data.synthetic.samples import write_sample
from droid_tune.errors import DiskError, UserError
from droid_tune.events import Event, Notice, RunFinished
from droid_tune.export.result import export_folder, export_run
from droid_tune.paths import RunPaths
from droid_tune.queue.run_queue import RunQueue
from droid_tune.runs.disk.lock import RunLock, is_locked
from droid_tune.runs.folder import create_run, list_runs, read_config, summarise
from droid_tune.runs.log import read_events
from droid_tune.runs.status import read_status, write_status
from droid_tune.train.engine import resume_training, run_training
from droid_tune.train.saving.checkpoint import CheckpointStore
from droid_tune.train.saving.journal import Journal
from droid_tune.train.saving.weights import newest_weights
from droid_tune.train.starting.start import starting_policy
from tests.engine.faults.saboteur import ERRORS, Saboteur, every_failure
from tests.engine.train.conftest import digest, tiny, train

FILES = {"adapters": {"a": mx.arange(8.0)}, "optimizer": {"m": mx.ones((2, 3))}}
codes = pytest.mark.parametrize("code", ERRORS, ids=lambda code: errno.errorcode[code])


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.rglob("*")}


@codes
def test_a_save_is_whole_or_not_there(tmp_path: Path, code: int) -> None:
    store = CheckpointStore(tmp_path / "checkpoints", keep=2)
    store.save(1, {"value": 1}, FILES)

    def look(done: bool) -> None:
        newest, bad = store.newest_good()
        assert newest is not None
        assert not bad
        assert newest.step in ((2,) if done else (1, 2))
        assert newest.tensors("adapters")["a"].tolist() == list(range(8))
        shutil.rmtree(store.folder / "step-000002", ignore_errors=True)

    failed = every_failure(code, lambda: store.save(2, {"value": 2}, FILES), look)
    assert failed > 10
    store.save(2, {"value": 2}, FILES)
    assert names(store.folder) == {
        *("step-000001", "step-000002", "manifest.json", "state.json"),
        *("adapters.safetensors", "optimizer.safetensors"),
    }


@codes
def test_a_second_save_of_a_step_never_costs_the_first(tmp_path: Path, code: int) -> None:
    store = CheckpointStore(tmp_path / "checkpoints", keep=1)
    store.save(2, {"value": 0}, FILES)

    def look(done: bool) -> None:
        newest, bad = store.newest_good()
        assert newest is not None
        assert not bad
        assert newest.folder.name == "step-000002"
        assert newest.state["value"] in ((1,) if done else (0, 1))
        store.save(2, {"value": 0}, FILES)

    assert every_failure(code, lambda: store.save(2, {"value": 1}, FILES), look) > 10


@pytest.mark.parametrize("further", [False, True], ids=["the same step again", "a later step"])
def test_a_kill_between_two_saves_of_a_step_costs_neither(tmp_path: Path, further: bool) -> None:
    store, own = CheckpointStore(tmp_path / "checkpoints", keep=2), Path.replace
    store.save(2, {"value": 0}, FILES)

    def killed(self: Path, target: Path) -> Path:
        if self.name.endswith(".tmp"):
            raise KeyboardInterrupt  # as a kill: nothing is cleaned up
        return own(self, target)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            store.save(2, {"value": 1}, FILES)
    assert list(RunPaths(tmp_path).checkpoint_folders()) == [2]
    found, _ = store.newest_good()
    assert found is not None
    assert (found.step, found.state["value"]) == (2, 0)
    store.save(3 if further else 2, {"value": 1}, FILES)
    assert sorted(one.name for one in store.folder.iterdir()) == ["step-000002", "step-000003"][: 1 + further]


@codes
def test_a_status_is_the_old_or_the_new_one(tmp_path: Path, code: int) -> None:
    write_status(tmp_path, state="running", step=1)

    def look(done: bool) -> None:
        status = read_status(tmp_path)
        assert not status.fault
        assert status.step in ((2,) if done else (1, 2))
        write_status(tmp_path, state="running", step=1)

    assert every_failure(code, lambda: write_status(tmp_path, state="running", step=2), look) > 2
    assert names(tmp_path) == {"status.json"}


@codes
def test_a_new_run_is_there_or_not(data_home: Path, code: int) -> None:
    def look(done: bool) -> None:
        runs = list_runs()
        assert [run.state for run in runs] == (["created"] if done else ["created"] * len(runs))
        assert all(read_config(run.folder) for run in runs)
        for run in runs:
            shutil.rmtree(run.folder)

    assert every_failure(code, lambda: create_run(tiny()), look) > 2


@codes
def test_a_journal_that_cannot_be_opened_leaves_nothing_open(tmp_path: Path, code: int) -> None:
    folder = create_run(tiny(), tmp_path / "run")
    before, number = psutil.Process().num_fds(), 1
    while True:
        saboteur = Saboteur(number, code)
        with (
            saboteur.at_work(),
            suppress(UserError, OSError),
            RunLock(folder / "lock"),
            Journal(folder, print),
        ):
            pass
        assert psutil.Process().num_fds() == before, number
        if not saboteur.struck:
            break
        number += 1
    assert number > 5


def test_a_full_disk_takes_no_process_id_and_the_lock_holds(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "pwrite", Saboteur(1, errno.ENOSPC).wrap(os.pwrite))
        with RunLock(tmp_path / "lock"):
            assert is_locked(tmp_path / "lock")


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_disk_that_comes_back_broken_is_a_sentence_and_the_run_keeps_what_it_had(
    number: int, tmp_path: Path
) -> None:
    folder = create_run(tiny(), tmp_path / "run")
    before = psutil.Process().num_fds()
    with Journal(folder, print) as journal:
        folder.rename(tmp_path / "gone")
        shutil.copytree(tmp_path / "gone", folder)
        shutil.rmtree(tmp_path / "gone")
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Path, "open", Saboteur(number, errno.EIO).wrap(Path.open))
            with pytest.raises(DiskError, match="Input/output error"):
                journal.follow()
        journal.follow()
        journal.emit(Notice(level="info", code="x", text="told"))
    assert [event.type for event in read_events(folder / "events.jsonl")] == ["notice"]
    assert psutil.Process().num_fds() == before


@codes
def test_an_end_that_the_status_does_not_take_is_told_by_the_log(tmp_path: Path, code: int) -> None:
    folder = create_run(tiny(), tmp_path / "run")
    with Journal(folder, print) as journal:
        journal.begin(0, 2)
        journal.step = 2
        with Saboteur(1, code, for_good=True).at_work():
            journal.finish(RunFinished(outcome="completed", step=2))
    assert read_status(folder).state == "running"
    run = summarise(folder)
    assert (run.state, run.step, run.resumable) == ("completed", 2, False)
    with Journal(folder, print) as journal:  # it is taken up again, and cut off
        journal.begin(2, 4)
    run = summarise(folder)
    assert (run.state, run.step, run.resumable) == ("interrupted", 2, True)


@codes
def test_new_data_is_whole_or_not_there_nor_its_folder(tmp_path: Path, code: int) -> None:
    out = tmp_path / "out"

    def look(done: bool) -> None:
        assert names(tmp_path) == ({"out", "train.jsonl", "valid.jsonl"} if done else set())
        shutil.rmtree(out, ignore_errors=True)

    assert every_failure(code, lambda: write_sample("sft", out), look) > 5


@codes
@pytest.mark.parametrize("change", ["add", "move", "hold", "mode", "remove"])
def test_a_change_of_the_queue_is_made_or_not(tmp_path: Path, change: str, code: int) -> None:
    def fresh() -> RunQueue:
        shutil.rmtree(tmp_path / "queue", ignore_errors=True)
        queue = RunQueue(tmp_path / "queue")
        for name in ("a", "b"):
            queue.add(resolve({"name": name}))
        return queue

    queues = [fresh()]

    def attempt() -> Any:
        queue = queues[-1]
        first = queue.runs()[0]
        match change:
            case "add":
                return queue.add(resolve({"name": "c"}))
            case "move":
                return queue.move(first, "last")
            case "hold":
                return queue.hold(first)
            case "mode":
                return queue.set_mode("on")
            case _:
                return queue.remove(first)

    def look(done: bool) -> None:
        kept = [run.name for run in queues[-1].runs()]
        allowed = {
            "add": [["a", "b"], ["a", "b", "c"]],
            "move": [["a", "b"], ["b", "a"]],
            "remove": [["a", "b"], ["b"]],
        }.get(change, [["a", "b"]])
        assert kept in (allowed[-1:] if done else allowed)
        queues.append(fresh())

    every_failure(code, attempt, look)


# --- with a model: slower ---


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(tiny(training={"iterations": 2}), folder)
    return folder


@codes
def test_a_run_that_failed_for_its_disk_says_that_it_lay_not_with_its_settings(
    tmp_path: Path, code: int
) -> None:
    for number, outside in ((60, True), (10**9, False)):
        rewards = [] if outside else [{"type": "user_file", "path": str(tmp_path / "gone.py")}]
        config = tiny(**({"rewards": rewards} if rewards else {}))
        create_run(config, tmp_path / str(number))
        with Saboteur(number, code, for_good=True).at_work():
            finished = run_training(config, tmp_path / str(number), Control(), lambda _: None)
        assert (finished.outcome, finished.outside) == ("failed", outside), finished.why


def test_a_result_that_the_disk_does_not_give_is_not_called_damaged(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(filecmp, "cmp", broken)
    with pytest.raises(UserError, match=r"The run's result cannot be read \(Input/output error\)"):
        newest_weights(trained)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_disk_that_is_full_is_the_one_that_is_named(tmp_path: Path, elsewhere: bool) -> None:
    """While what was written is compared, it may be that of the folder for temporary files."""
    out, other = tmp_path / "out", tmp_path / "temporary" / "x"
    named = other if elsewhere else tmp_path / ".out.partial" / "config.json"
    with (
        pytest.raises(DiskError, match=rf"disk that holds {other if elsewhere else out};"),
        export_folder(out),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(named))
    assert not list(tmp_path.iterdir())


@pytest.mark.timeout(900)
@codes
@pytest.mark.parametrize("mode", ["continue", "fuse"])
def test_what_a_run_starts_from_is_whole_or_not_there(
    trained: Path, tmp_path: Path, mode: str, code: int
) -> None:
    config = tiny(model={"start_from": str(trained), "start_mode": mode})
    run = tmp_path / "run"
    starting_policy(config, run)
    whole = names(run)

    def look(done: bool) -> None:
        assert names(tmp_path) in ([{"run", *whole}] if done else [{"run", *whole}, {"run"}, set[str]()])
        shutil.rmtree(run, ignore_errors=True)

    shutil.rmtree(run)
    assert every_failure(code, lambda: starting_policy(config, run), look) > 3


@pytest.mark.faults
@pytest.mark.timeout(900)
@codes
@pytest.mark.parametrize("target", ["adapter", "peft", "fused", "gguf", "lmstudio", "hub", "ollama"])
def test_an_export_is_whole_or_not_there(trained: Path, tmp_path: Path, target: str, code: int) -> None:
    out = tmp_path / "out"

    def look(done: bool) -> None:
        assert out.exists() >= done
        assert not out.exists() or names(out) == whole
        assert [one for one in tmp_path.iterdir() if one.name != "out"] == []
        shutil.rmtree(out, ignore_errors=True)

    request = ExportRequest(target=target, out=out, check=False)
    export_run(trained, request)
    whole = names(out)
    shutil.rmtree(out)
    assert every_failure(code, lambda: export_run(trained, request), look) >= 3


@pytest.mark.faults
@pytest.mark.timeout(1800)
@codes
def test_a_run_whose_disk_refuses_once_at_any_call_goes_on_exactly(
    trained: Path, tmp_path: Path, code: int
) -> None:
    """Nobody attends: it fails or not, and is resumed; whatever the call was, the result is that of the run that met none."""
    config = tiny(training={"iterations": 2}, checkpoint={"save_every": 1})
    number, wanted = 1, digest(trained)
    while True:
        folder = tmp_path / f"run-{number}"
        create_run(config, folder)
        saboteur = Saboteur(number, code)
        record: list[Event] = []
        with saboteur.at_work():
            first = run_training(config, folder, Control(), record.append)
        if first.outcome != "completed":
            assert "Something unforeseen" not in first.why, first.why
            assert first.outside, first.why
            last = resume_training(folder, Control(), lambda _: None)
            assert last.outcome == "completed", (number, first.why, last.why)
        assert digest(folder) == wanted, number
        kept = [event.seq for event in read_events(folder / "events.jsonl")]
        assert kept == sorted(set(kept)), number
        if not saboteur.struck:
            return
        number += 5 if number > 20 else 1
