"""`train`, `resume`, `runs`, `generate`: the whole path in the terminal, on the smallest model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from droid_tune.cli import main
from droid_tune.config import build
from droid_tune.events import Event, RunFinished, RunStarted, Step, parse_event

SMALL = ("iterations=4", "batch_size=1", "group_size=2", "max_completion_length=4", "evaluation.rows=0")
ADAPTER = {"adapters.safetensors", "adapter_config.json"}
MODEL = {"model.safetensors", "config.json", "tokenizer.json"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "rows"
    folder.mkdir()
    rows = [{"prompt": f"{number} + 1?", "answer": str(number + 1)} for number in range(8)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def train(stories_model: Path, data: Path) -> list[str]:
    """The words of a small run's command."""
    settings = [word for setting in SMALL for word in ("--set", setting)]
    return ["train", "--model", str(stories_model), "--data", str(data), *settings]


def events(capsys: pytest.CaptureFixture[str]) -> list[Event]:
    return [parse_event(line) for line in capsys.readouterr().out.splitlines()]


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["runs", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_run_stops_goes_on_and_answers(train: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*train, "--events", "--stop-after", "2"]) == 0
    first = events(capsys)
    assert isinstance(first[0], RunStarted)
    assert [event.step for event in first if isinstance(event, Step)] == [1, 2]

    (run,) = listed(capsys)
    assert (run["state"], run["step"], run["total_steps"], run["resumable"]) == ("stopped", 2, 4, True)

    assert main(["resume", str(run["id"]), "--events"]) == 0
    second = events(capsys)
    assert [event.step for event in second if isinstance(event, Step)] == [3, 4]
    last = second[-1]
    assert isinstance(last, RunFinished)
    assert last.outcome == "completed"

    (run,) = listed(capsys)
    assert (run["state"], run["resumable"]) == ("completed", False)
    assert main(["generate", "--run", str(run["id"]), "--prompt", "1 + 1?", "--max-tokens", "4"]) == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize(("fuse", "files"), [(False, ADAPTER), (True, MODEL)])
def test_a_stopped_run_can_be_taken_away(
    fuse: bool, files: set[str], train: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*train, "--stop-after", "1"]) == 0
    (run,) = listed(capsys)
    out = tmp_path / "result"
    words = ["export", str(run["id"]), "--out", str(out), "--check", "2", *(["--fuse"] if fuse else [])]
    assert main(words) == 0
    assert files <= {path.name for path in out.iterdir()}
    assert capsys.readouterr().out == f"{out}\n"

    assert main(words) == 1
    assert "is not empty" in capsys.readouterr().err


def test_a_dry_run_prints_a_config_that_reads_back_and_makes_no_run(
    train: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*train, "--dry-run"]) == 0
    config = build(yaml.safe_load(capsys.readouterr().out))
    assert config.training.iterations == 4
    assert config.optimizer.learning_rate is not None
    assert listed(capsys) == []


def test_a_dry_run_finds_what_is_wrong_with_the_data(
    train: list[str], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "train.jsonl").write_text('{"prompt": "1 + 1?", "answer": ""}\n')
    assert main([*train, "--dry-run"]) == 1
    told = capsys.readouterr().err
    assert "train.jsonl:1" in told
    assert told.count("\n") == 1


def test_a_dry_run_says_which_rows_a_run_will_leave_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row that cannot be learnt from ends no run, so it ends no rehearsal either, unless all are such."""
    pairs = [
        {"prompt": "1 + 1?", "chosen": "2", "rejected": "3"},
        {"prompt": "Say it.", "chosen": "It.", "rejected": "It."},
    ]
    told = {}
    for name, rows in (("some", pairs), ("none", pairs[1:])):
        (data / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        code = main(["train", "--data", str(data), "--method", "dpo", "--set", "batch_size=1", "--dry-run"])
        told[name] = (code, capsys.readouterr().err)
    assert told["some"][0] == 0
    assert "train.jsonl:2: Both answers are the same" in told["some"][1]
    assert told["none"][0] == 1
    assert "train.jsonl:1: Both answers are the same" in told["none"][1]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--model", "/no/such/model"], 1, "no such model folder"),
        (["--set", "iterations=many"], 2, "iterations"),
        (["--stop-after", "0"], 2, "whole number of 1 or more"),
    ],
)
def test_a_mistake_makes_no_run_and_is_one_sentence(
    train: list[str], words: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*train, *words]) == code
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert listed(capsys) == []


def test_resuming_what_is_no_run_says_where_the_runs_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", "nothing"]) == 1
    assert "`droid-tune runs` lists them" in capsys.readouterr().err
