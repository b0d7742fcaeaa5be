"""One odd file hides nothing: the list lists, the run says what is wrong, the newest good checkpoint goes on."""

from __future__ import annotations

import errno
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from droid_tune.cli.commands.runs_command import described, row
from droid_tune.config import resolve
from droid_tune.errors import UserError
from droid_tune.events import CheckpointSaved, RunFinished, to_line
from droid_tune.paths import RunPaths, live_runs_dir, settings_file
from droid_tune.queue.run_queue import RunQueue
from droid_tune.runs.completions.completion_index import CompletionIndex
from droid_tune.runs.disk.durable import write_text
from droid_tune.runs.disk.live_runs import live_runs
from droid_tune.runs.folder import create_run, find_run, list_runs, read_config, summarise
from droid_tune.runs.log import replay
from droid_tune.runs.origin.branch import branch_off
from droid_tune.runs.origin.identity import doubts_of
from droid_tune.runs.status import read_status, write_status
from droid_tune.train.saving.checkpoint import CheckpointStore
from droid_tune.train.saving.weights import weights_of

SHAPES: list[Any] = [
    [],
    7,
    None,
    "running",
    {"state": {}},
    {"state": "dancing"},
    {"step": None},
    {"step": "many"},
    {"step": 1e300},
    {"step": True},
    {"total_steps": [3]},
    {"created": "yesterday"},
    {"created": 1e300},
]


@pytest.fixture
def run() -> Path:
    """A run of 60 steps with checkpoints of steps 3 and 4."""
    folder = create_run(resolve({"training": {"iterations": 60}}))
    store = CheckpointStore(RunPaths(folder).checkpoints)
    for step in (3, 4):
        store.save(step, {}, {"adapters": {"a": mx.array([1.0])}})
    return folder


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_a_status_of_any_shape_is_listed_and_told_and_the_run_goes_on(run: Path, shape: Any) -> None:
    other = create_run(resolve({"name": "other"}))
    (run / "status.json").write_text(json.dumps(shape))
    found = {one.folder: one for one in list_runs()}
    assert set(found) == {run, other}
    assert found[run].why.startswith("Its status.json ")
    assert (found[run].saved_step, found[run].resumable) == (4, True)
    json.dumps(described(found[run]), allow_nan=False)
    row(found[run])


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"step": NaN}', b"[" * 100_000])
def test_a_status_that_is_no_json_is_told(run: Path, content: bytes) -> None:
    (run / "status.json").write_bytes(content)
    (found,) = list_runs()
    assert found.why.startswith("Its status.json ")
    assert (found.state, found.step, found.total_steps) == ("interrupted", 4, 60)


def test_a_number_above_all_floats_hides_nothing(run: Path) -> None:
    best = {"step": 4, "metric": "eval/accuracy", "value": 10**400, "least": None}
    (run / "status.json").write_text(json.dumps({"state": "stopped", "step": 4, "best": best}))
    found = summarise(run)
    assert (found.state, found.best) == ("stopped", None)


@pytest.mark.parametrize("metrics", [[], "much", {"reward": "x", "loss": 1.5}, {"reward": [1]}])
def test_metrics_of_any_shape_hide_nothing(run: Path, metrics: Any) -> None:
    (run / "status.json").write_text(json.dumps({"state": "stopped", "step": 4, "metrics": metrics}))
    found = summarise(run)
    assert (found.state, found.step, found.why) == ("stopped", 4, "")
    json.dumps(described(found))
    row(found)


@pytest.mark.parametrize("text", ["", "[]", "7", "when: 2026-13-45\n", "\0", "[" * 5000])
def test_a_config_of_any_shape_is_a_failed_run_beside_the_others(run: Path, text: str) -> None:
    odd = create_run(resolve({"name": "odd"}))
    RunPaths(odd).config.write_text(text)
    found = {one.folder: one for one in list_runs()}
    assert set(found) == {run, odd}
    assert found[odd].state == "failed"
    assert found[odd].why


@pytest.mark.parametrize("name", ["step-000004 copy", "step-", "step-abc", "step-٣", "step-9.zip"])
def test_a_folder_that_only_looks_like_a_checkpoint_is_left_alone(run: Path, name: str) -> None:
    checkpoints = RunPaths(run).checkpoints
    shutil.copytree(checkpoints / "step-000004", checkpoints / name)
    assert summarise(run).saved_step == 4
    newest, bad = CheckpointStore(checkpoints).newest_good()
    assert newest is not None
    assert (newest.folder.name, bad) == ("step-000004", [])
    CheckpointStore(checkpoints, keep=1).save(5, {}, {})
    assert sorted(one.name for one in checkpoints.iterdir()) == sorted(["step-000005", name])


def test_step_a_million_is_newer_than_the_one_before(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "checkpoints")
    for step in (999_999, 1_000_000):
        store.save(step, {}, {})
    assert [one.name for one in store.newest_first()] == ["step-1000000", "step-999999"]


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        None,
        "text",
        {"format": 1},
        {"format": 1, "files": []},
        {"format": 1, "files": {}},
        {"format": 1, "files": {"state.json": 7}},
        {"format": 1, "files": {"state.json": {}}},
        {"format": 1, "files": {"state.json": {"bytes": "many", "sha256": None}}},
        {"format": 1, "files": {"../../config.yaml": {}, "state.json": {}}},
        {"format": [], "files": {}},
    ],
    ids=repr,
)
def test_a_manifest_of_any_shape_is_passed_over_for_the_good_one_before(run: Path, manifest: Any) -> None:
    checkpoints = RunPaths(run).checkpoints
    (checkpoints / "step-000004" / "manifest.json").write_text(json.dumps(manifest))
    newest, bad = CheckpointStore(checkpoints).newest_good()
    assert newest is not None
    assert newest.step == 3
    assert [one.folder.name for one in bad] == ["step-000004"]


def test_a_run_that_may_not_be_entered_or_is_thrown_away_meanwhile_hides_no_other(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, locked = (create_run(resolve({"name": name})) for name in ("gone", "locked"))
    real = Path.stat

    def stat(path: Path, **options: Any) -> Any:
        if path == gone / "config.yaml":
            shutil.rmtree(gone, ignore_errors=True)
        if path.parent == locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    found = {one.folder: one for one in list_runs()}
    assert set(found) == {run, locked}
    assert found[locked].why == f"The folder {locked} cannot be read (Permission denied)."


def test_a_folder_of_runs_that_may_not_be_read_is_a_sentence(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(UserError, match=r"The folder .+ cannot be read \(Permission denied\)"):
        list_runs()


def test_a_status_holds_no_number_that_json_has_not(run: Path) -> None:
    write_status(run, state="running", step=3, metrics={"reward": math.nan, "loss": 0.5})
    assert "NaN" not in (run / "status.json").read_text()
    assert read_status(run).metrics == {"loss": 0.5}


def test_a_branch_that_is_cut_off_at_any_call_is_no_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed: nothing tidies up behind it."""
    (run / "events.jsonl").write_text("{}\n")
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    real, cut = os.open, 0
    for cut in itertools.count(1):
        calls = itertools.count(1)

        def opened(*args: Any, number: int = cut, counted: Any = calls, **options: Any) -> int:
            if next(counted) == number:
                raise KeyboardInterrupt
            return real(*args, **options)

        with pytest.MonkeyPatch.context() as patched, suppress(KeyboardInterrupt):
            patched.setattr(os, "open", opened)
            branch_off(run)
            break
        for one in list_runs():
            assert (
                one.folder == run or (one.folder / "checkpoints" / "step-000004" / "manifest.json").is_file()
            )
    assert cut > 3
    whole = list_runs()
    assert len(whole) >= 2
    assert ("stopped", 4) in [(one.state, one.step) for one in whole if one.folder != run]


@pytest.mark.parametrize("moved", range(4))
def test_a_setting_aside_that_is_cut_off_leaves_nothing_older_than_the_newest_checkpoint(
    run: Path, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run came to would be taken for its newest weights, once it had gone on from an earlier checkpoint."""
    for file in (RunPaths(run).adapter_weights, RunPaths(run).adapter_config):
        file.write_text("")
    store, calls, real = CheckpointStore(RunPaths(run).checkpoints), itertools.count(), Path.replace

    def replace(path: Path, target: Path) -> Path:
        if next(calls) == moved:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    with suppress(OSError):
        store.set_aside(3)
    assert 4 in RunPaths(run).checkpoint_folders() or not RunPaths(run).adapter_weights.exists()


def test_a_run_and_a_queue_that_may_not_be_read_are_told_when_they_are_asked_for(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.stat

    def stat(path: Path, **options: Any) -> Any:
        if path.parent == run:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    for name in (run.name, str(run)):
        with pytest.raises(UserError, match=rf"{run} cannot be read \(Permission denied\)"):
            find_run(name)
    queue = RunQueue(run.parent / "queue")
    queue.set_mode("off")

    def refused(_: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(UserError, match=r"queue cannot be read \(Permission denied\)"):
        queue.runs()


def test_a_run_whose_settings_are_gone_is_told_and_no_new_one_moves_in(run: Path) -> None:
    write_status(run, state="stopped", step=4)
    RunPaths(run).identity.write_text("{}")
    RunPaths(run).config.unlink()
    (listed,) = list_runs()
    assert (listed.state, listed.folder) == ("failed", run)
    assert "has lost its settings" in listed.why
    assert "identity.json" in listed.why
    with pytest.raises(UserError, match="has lost its settings"):
        read_config(find_run(run.name))
    with pytest.raises(UserError, match="holds a run already"):
        create_run(resolve({}), run)


def test_a_run_that_was_killed_before_its_result_was_written_goes_on(run: Path) -> None:
    write_status(run, state="running", step=60, total_steps=60)
    assert (summarise(run).state, summarise(run).resumable) == ("interrupted", True)
    write_status(run, state="completed", step=60, total_steps=60)
    assert not summarise(run).resumable


def test_a_status_that_is_gone_makes_no_new_run_of_one_with_checkpoints(run: Path) -> None:
    write_status(run, state="stopped", step=4)
    (run / "status.json").unlink()
    (listed,) = list_runs()
    assert (listed.state, listed.step) == ("interrupted", 4)
    assert "status.json is gone" in listed.why


@pytest.mark.parametrize("name", ["events.jsonl", "rollouts.jsonl"])
@pytest.mark.parametrize("is_loop", [False, True])
def test_a_log_that_is_none_is_a_sentence_until_it_is_moved_away(run: Path, name: str, is_loop: bool) -> None:
    log = run / name
    if is_loop:
        log.symlink_to(name)
    else:
        log.mkdir()
    paths = RunPaths(run)

    def completions() -> int:
        with CompletionIndex(paths.rollouts) as index:
            return len(list(index.update()))

    with pytest.raises(UserError, match=f"{name}: The run's log cannot be read"):
        list(replay(paths.events, paths.rollouts))
    if name == "rollouts.jsonl":
        with pytest.raises(UserError, match=f"{name}: The run's log cannot be read"):
            completions()
    log.rename(run / "odd")
    assert list(replay(paths.events, paths.rollouts)) == []
    assert completions() == 0


@pytest.mark.parametrize("content", [None, "", "[]", '{"settings": 3}'])
def test_where_it_is_not_known_what_a_run_began_with_it_is_asked(run: Path, content: str | None) -> None:
    if content is not None:
        RunPaths(run).identity.write_text(content)
    (said,) = doubts_of(run)
    assert "is not known" in said
    assert said.endswith("missing." if content is None else "damaged.")
    shutil.rmtree(RunPaths(run).checkpoints)
    assert doubts_of(run) == []


def test_checkpoints_that_are_gone_are_told_before_a_run_begins_anew(run: Path) -> None:
    saved = CheckpointSaved(seq=1, time=1.0, run_id=run.name, step=4, path="checkpoints/step-000004")
    RunPaths(run).events.write_text(to_line(saved) + "\n")
    shutil.rmtree(RunPaths(run).checkpoints)
    assert doubts_of(run) == [
        "The checkpoints of the run are gone (the newest was of step 4); to go on is to begin again at step 0."
    ]
    RunPaths(run).adapter_weights.write_bytes(b"")
    assert doubts_of(run)[0].endswith("at step 0 and to replace its result.")


def test_older_weights_are_offered_and_not_taken(run: Path) -> None:
    (run / "checkpoints" / "step-000004" / "adapters.safetensors").write_bytes(b"x")
    with pytest.raises(
        UserError, match=r"step-000004.*damaged.*newest good one is of step 3.*--checkpoint 3"
    ):
        weights_of(run)
    assert weights_of(run, "3").step == 3


@pytest.mark.parametrize("flip", [True, False])
def test_a_result_that_is_not_what_was_saved_at_its_step_is_not_taken(run: Path, flip: bool) -> None:
    paths = RunPaths(run)
    data = bytearray((run / "checkpoints" / "step-000004" / "adapters.safetensors").read_bytes())
    paths.adapter_config.write_text("{}")
    done = RunFinished(seq=1, time=1.0, run_id=run.name, outcome="completed", step=4)
    paths.events.write_text(to_line(done) + "\n")
    paths.adapter_weights.write_bytes(data)
    assert weights_of(run).is_result
    paths.adapter_weights.write_bytes(bytes([*data[:-1], data[-1] ^ 64]) if flip else data[:-2])
    with pytest.raises(UserError, match=r"damaged or was replaced.*--checkpoint 4"):
        weights_of(run)


def test_what_a_killed_writer_left_of_a_file_goes_with_the_next_write_of_it(run: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    for file in (run / "annotations.json", settings_file(), live_runs_dir() / "7.json"):
        file.parent.mkdir(parents=True, exist_ok=True)
        left, growing = (file.with_name(f".{file.name}.{pid}.tmp") for pid in (dead.pid, os.getppid()))
        for one in (left, growing):
            one.write_text("half")
        write_text(file, "{}")
        assert [one.exists() for one in (left, growing)] == [False, True]
    left.write_text("half")
    live_runs()  # each file there is written once
    assert [one.exists() for one in (left, growing)] == [False, True]
