"""The workbench asks a process of its own: of texts that are not saved, of past runs, until it is stopped."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from droid_tune.control import Watch
from droid_tune.data.dataset import open_dataset
from droid_tune.errors import Stopped, UserError
from droid_tune.machine.own_process import own_environment
from droid_tune.paths import RunPaths, runs_dir, sample_data_dir
from droid_tune.trial_report import BenchQuestion, RescoredStep
from droid_tune.workbench import bench_child
from droid_tune.workbench.bench_child import look_at_text, rescore_in_child, try_in_child
from tests.ui.recording import complete, write_run

EXACT = "def f(completion, row):\n    return float(completion == row['answer'])\n"


def asked(rewards: list[dict[str, Any]], **rest: Any) -> BenchQuestion:
    return BenchQuestion({"rewards": rewards, "data": {"path": "sample"}}, count=3, **rest)


def test_an_unsaved_text_is_tried_in_the_place_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def f(completion, row):\n    return 1\n")
    question = asked([{"type": "user_file", "path": str(file)}], unsaved={str(file): EXACT})
    found = try_in_child(question)
    assert found.verdict.level == "good"
    assert [one.reward for one in found.tries[:3]] == [1.0, 0.0, 0.0]
    assert found.tries[0].right is True


def test_what_is_wrong_with_the_settings_is_said_by_the_child() -> None:
    with pytest.raises(UserError, match="pattern"):
        try_in_child(asked([{"type": "format", "pattern": "("}]))


def test_a_past_run_is_scored_step_by_step() -> None:
    folder = runs_dir() / "past"
    write_run(folder, complete(3))
    heard: list[RescoredStep] = []
    told: list[tuple[int, int, str]] = []
    watch = Watch(progress=lambda done, total, what: told.append((done, total, what)))
    found = rescore_in_child(asked([{"type": "accuracy"}], run=str(folder)), watch, heard.append)
    assert [one.step for one in heard] == [1, 2, 3]
    assert list(found.steps) == heard
    assert (0, 3, "step 1") in told
    # the record's own accuracy part is what the reward says as well
    recorded = sum(one.was or 0 for one in heard[0].completions) / 32
    assert heard[0].was == pytest.approx(recorded)
    assert heard[0].would == pytest.approx((recorded - 0.2) / 0.8)  # 0.8 x accuracy + 0.2, as it was recorded


def test_rows_that_a_past_run_has_answered_are_tried_first_with_what_it_wrote() -> None:
    asked_once = str(open_dataset(sample_data_dir(), "grpo").train[70]["prompt"])
    folder = runs_dir() / "past"
    write_run(folder, complete(3))
    told = RunPaths(folder).rollouts
    told.write_text(told.read_text().replace("What is twenty-seven plus seven?", asked_once))
    found = try_in_child(asked([{"type": "accuracy"}], run=str(folder)))
    rows = {one.row for one in found.tries}
    assert len(rows) == 3
    assert 70 in rows  # far behind the first three
    assert {one.row for one in found.tries if one.source == "saved rollout"} == {8, 70}


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="counts processes as Linux tells them")
def test_a_reward_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    source = "import time\ndef f(completion, row):\n    time.sleep(600)\n"
    stop = threading.Event()
    threading.Timer(1.5, stop.set).start()
    began = time.monotonic()
    question = asked(
        [{"type": "user_file", "path": str(file), "timeout_seconds": 600}], unsaved={str(file): source}
    )
    with pytest.raises(Stopped):
        try_in_child(question, Watch(should_stop=stop.is_set))
    assert time.monotonic() - began < 250
    end = time.monotonic() + 20
    while _benches() and time.monotonic() < end:
        time.sleep(0.1)
    assert _benches() == []


def _benches() -> list[str]:
    """Command lines of processes of this test's workbench."""
    found: list[str] = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said = line.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            parents = line.with_name("environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "bench_process" in said and own_environment()["DROID_TUNE_HOME"] in parents:
            found.append(said)
    return found


def test_a_process_that_dies_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(module: str) -> list[str]:
        return ["/bin/sh", "-c", f"read question; echo 'no such thing as {module}' >&2"]

    monkeypatch.setattr(bench_child, "isolated_python", dying)
    with pytest.raises(UserError, match="could not be tried: no such thing"):
        try_in_child(asked([{"type": "accuracy"}]))


@pytest.mark.parametrize(
    ("text", "ok", "line", "said"),
    [
        (EXACT, True, 0, "`f` is called once for each completion."),
        (
            "def f(prompts, completions, answer):\n    return []\n",
            True,
            0,
            "`f` is called once for all completions of a step; it needs the columns `answer`.",
        ),
        ("def f(completion, row)\n    return 1\n", False, 1, "Line 1: SyntaxError: expected ':'."),
        ("\n\ndef f(text):\n    return 1\n", False, 3, "takes (text), which is no known form"),
        ("x = 1\n", False, 0, "has no public function"),
        ("import nothing_of_that_name\n", False, 1, "ModuleNotFoundError"),
    ],
)
def test_a_text_is_looked_at_without_being_saved(
    tmp_path: Path, text: str, ok: bool, line: int, said: str
) -> None:
    found = look_at_text(str(tmp_path / "new" / "mine.py"), text)
    assert (found.ok, found.line) == (ok, line)
    assert said in found.sentence
