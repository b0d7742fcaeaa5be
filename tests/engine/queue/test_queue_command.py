"""`droid-tune queue`: a night in small, with a run that fails in the middle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.cli import main
from tests.engine.queue.test_shift import put_in

SMALL = ("iterations=2", "batch_size=1", "group_size=2", "max_completion_length=4", "evaluation.rows=0")


def small(model: Path, data: Path, name: str) -> list[str]:
    settings = [word for setting in SMALL for word in ("--set", setting)]
    return ["--model", str(model), "--data", str(data), "--name", name, *settings]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return rows_in(tmp_path / "rows")


def rows_in(folder: Path) -> Path:
    folder.mkdir()
    rows = [{"prompt": f"{number} + 1?", "answer": str(number + 1)} for number in range(8)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def queue(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    """The queue after a command, as its JSON tells it."""
    capsys.readouterr()
    assert main(["queue", *words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def named(found: dict[str, Any], key: str) -> dict[str, Any]:
    return {run["name"]: run[key] for run in found["runs"]}


def test_a_failed_run_does_not_stop_the_others(
    stories_model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = rows_in(tmp_path / "gone")
    for name, rows in (("doomed", gone), ("last", data)):
        queue(capsys, "add", *small(stories_model, rows, name))
    (gone / "train.jsonl").unlink()
    assert main(["queue", "list"]) == 0
    assert "-grpo-" not in capsys.readouterr().out  # no run yet
    found = queue(capsys, "start", code=1)
    assert named(found, "state") == {"doomed": "failed", "last": "completed"}
    assert named(found, "step") == {"doomed": 0, "last": 2}
    assert "gone" in named(found, "why")["doomed"]
    assert (found["mode"], found["working"]) == ("off", False)
    assert main(["queue", "list"]) == 0
    assert (
        str(named(found, "run")["last"]) in capsys.readouterr().out
    )  # the id that `droid-tune resume` takes
    assert queue(capsys, "clear")["runs"] == []


def test_a_run_that_cannot_begin_fails_the_night(capsys: pytest.CaptureFixture[str]) -> None:
    """Before, such a run was `failed` in the list, and the exit code 0."""
    put_in("odd", "method: no-such-method\n")
    assert main(["queue", "start"]) == 1
    assert "odd: failed. " in capsys.readouterr().err


def test_the_order_is_changed_by_words_and_numbers(
    stories_model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        queue(capsys, "add", *small(stories_model, data, name))
    assert list(named(queue(capsys, "move", "3", "first"), "state")) == ["c", "a", "b"]
    assert list(named(queue(capsys, "move", "1", "2"), "state")) == ["a", "c", "b"]
    assert named(queue(capsys, "pause", "2"), "state")["c"] == "held"
    assert named(queue(capsys, "release", "2"), "state")["c"] == "waiting"
    assert list(named(queue(capsys, "remove", "1"), "state")) == ["c", "b"]
    assert queue(capsys, "pause", "--after-run")["mode"] == "last"
    assert main(["queue", "list"]) == 0
    out = capsys.readouterr().out
    assert out.index("c ") < out.index("b ")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["queue", "move", "1", "sideways"], 2, "`sideways` is no place in the queue"),
        (["queue", "move", "1", "0"], 2, "`0` is no place in the queue"),
        (["queue", "remove", "7"], 1, "The queue has no run `7`; it holds 0 runs"),
        (["queue", "add", "--model", "/no/such/model"], 1, "/no/such/model"),
        (["queue", "add", "--run", "unknown"], 1, "There is no run `unknown`"),
        (["queue", "dance"], 2, "dance"),
    ],
)
def test_bad_input_is_one_sentence(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
