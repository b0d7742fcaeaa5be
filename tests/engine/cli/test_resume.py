"""`droid-tune resume` of a run that is not as it was: said, asked, never taken in silence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from droid_tune.cli.entry import main
from droid_tune.events import Notice, RunStarted, Step
from droid_tune.paths import RunPaths
from droid_tune.runs.folder import list_runs
from droid_tune.runs.log import read_events
from tests.engine.cli.test_driving import Keyboard
from tests.engine.train.conftest import tiny, train


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of three steps that stopped after one, whose reward file was edited since."""
    monkeypatch.setenv("DROID_TUNE_HOME", str(tmp_path / "home"))
    (tmp_path / "mine.py").write_text("def f(completion, row):\n    return len(completion) % 7\n")
    folder = tmp_path / "home" / "runs" / "first"
    rewards = [{"type": "user_file", "path": str(tmp_path / "mine.py")}]
    train(tiny(rewards=rewards, training={"iterations": 1}), folder)
    (tmp_path / "mine.py").write_text("def f(completion, row):\n    return len(completion) % 5\n")
    return folder


def last_step(folder: Path) -> int:
    return max(event.step for event in read_events(RunPaths(folder).events) if isinstance(event, Step))


def test_nobody_to_ask_is_a_refusal_that_names_both_ways(
    changed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resume", "first", "--steps", "1"]) == 1
    said = capsys.readouterr().err
    assert "The file of the reward `user_file` changed since the run began" in said
    assert "--accept-changes" in said
    assert "--as-new-run" in said
    assert last_step(changed) == 1


def test_accepted_it_goes_on_and_the_log_knows_and_nobody_is_asked_again(changed: Path) -> None:
    assert main(["resume", "first", "--steps", "1", "--accept-changes"]) == 0
    told = [event.code for event in read_events(RunPaths(changed).events) if isinstance(event, Notice)]
    assert "run_changed" in told
    assert last_step(changed) == 2
    assert main(["resume", "first", "--steps", "1"]) == 0


@pytest.mark.parametrize("selection", ["shuffled", "signal"])
@pytest.mark.parametrize("rows", [5, 11])
def test_more_and_fewer_rows_are_gone_on_with_where_that_was_accepted(
    rows: int, selection: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROID_TUNE_HOME", str(tmp_path / "home"))
    folder, data = tmp_path / "home" / "runs" / "first", tmp_path / "train.jsonl"

    def write(count: int) -> None:
        lines = [f'{{"prompt": "What is {n} plus one?", "answer": "{n + 1}"}}\n' for n in range(count)]
        data.write_text("".join(lines))

    write(8)
    method = {"type": "grpo", "prompt_selection": selection}
    settings = {"method": method, "data": {"path": str(data)}, "evaluation": {"rows": 0}}
    train(tiny(**settings, training={"iterations": 3}), folder)
    write(rows)
    assert main(["resume", "first", "--steps", "1"]) == 1
    assert main(["resume", "first", "--steps", "2", "--accept-changes"]) == 0
    assert last_step(folder) == 5
    assert main(["resume", "first", "--steps", "1"]) == 0  # nobody is asked twice
    assert last_step(folder) == 6


@pytest.mark.parametrize("how", [pytest.param("flag", marks=pytest.mark.slow), "typed"])
def test_a_branch_goes_on_from_there_and_the_first_run_stays(
    changed: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file: file.read_bytes() for file in changed.rglob("*") if file.is_file()}
    if how == "typed":
        monkeypatch.setattr(sys, "stdin", Keyboard("n\n"))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    flags = ["--as-new-run"] if how == "flag" else []
    assert main(["resume", "first", "--steps", "1", *flags]) == 0
    (branch,) = (run for run in list_runs() if run.id != "first")
    assert (branch.state, branch.step) == ("completed", 2)
    assert branch.name.endswith("(branch)")
    starts = [
        event.start_step
        for event in read_events(RunPaths(branch.folder).events)
        if isinstance(event, RunStarted)
    ]
    assert starts == [0, 1]
    assert {file: file.read_bytes() for file in changed.rglob("*") if file.is_file()} == before


@pytest.mark.slow
def test_a_damaged_newest_checkpoint_is_asked_about(
    changed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resume", "first", "--steps", "1", "--accept-changes"]) == 0
    newest = changed / "checkpoints" / "step-000002" / "adapters.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1] + b"\1")
    capsys.readouterr()
    assert main(["resume", "first", "--steps", "1"]) == 1
    said = capsys.readouterr().err
    assert "The checkpoint step-000002 is damaged" in said
    assert "from the older one of step 1" in said
    assert main(["resume", "first", "--steps", "1", "--accept-changes"]) == 0
    assert last_step(changed) == 2
