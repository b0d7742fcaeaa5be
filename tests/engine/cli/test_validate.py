"""`droid-tune validate`: what a person and a program read of a data set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from droid_tune.cli import main

ROWS = [{"prompt": "1 + 1?", "answer": "2"}, {"prompt": "2 + 2?", "answer": "4"}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [json.dumps(row) for row in ROWS]
    (tmp_path / "train.jsonl").write_text("\n".join([*lines, '{"prompt": "3 + 3?"}']) + "\n")
    return tmp_path


def test_the_report_as_json_counts_every_row(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(folder), "--method", "grpo", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["accepted"], report["rejected"], report["blank"], report["ok"]) == (2, 1, 0, False)
    assert [(issue["line"], issue["field"]) for issue in report["issues"]] == [(3, "answer")]


def test_the_report_for_people_names_file_and_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(folder), "--method", "grpo"]) == 1
    said = capsys.readouterr().out
    assert "train.jsonl:3" in said
    assert said.endswith("Rows that can be used: 2, left out: 1.\n")


def test_warnings_that_say_the_same_are_one_line_and_rejected_rows_one_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"prompt": f"{number} + 1?", "answer": str(number + 1)} for number in range(40)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    bad = '{"prompt": "9?"}\n' * 4
    (tmp_path / "valid.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[2:32]) + bad)
    assert main(["validate", str(tmp_path), "--method", "grpo"]) == 1
    warned = [line for line in capsys.readouterr().out.splitlines() if line.startswith("valid.jsonl:")]
    assert warned[0] == (
        "valid.jsonl:1: warning: The prompt is also in train.jsonl, line 3; remove it from one of them. "
        "There are 30 such rows: 1, 2, 3 and 27 more."
    )
    assert [line.split(":")[1] for line in warned[1:]] == ["31", "32", "33", "34"]


def test_data_in_order_is_a_success(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    assert main(["validate", str(tmp_path), "--method", "grpo"]) == 0


def test_data_without_a_usable_row_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.jsonl").write_text("")
    assert main(["validate", str(tmp_path)]) == 1
    assert "cannot be trained on" in capsys.readouterr().out


def test_another_name_for_a_column_is_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.jsonl").write_text('{"query": "1 + 1?", "gold": "2"}\n')
    assert (
        main(["validate", str(tmp_path), "--method", "grpo", "--map", "prompt=query", "--map", "answer=gold"])
        == 0
    )
    assert "Rows that can be used: 1." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--method", "gppo"], "there is no method `gppo`"),
        (["--map", "prompt"], "needs the form field=column"),
        (["--map", "promt=query"], "did you mean `prompt`?"),
    ],
)
def test_a_wrong_argument_is_wrong_usage(
    folder: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(folder), *words]) == 2
    assert sentence in capsys.readouterr().err


def test_rows_that_a_models_template_cannot_show_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]
    tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    rows = [{"messages": turns}, {"messages": turns, "tools": [tool]}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["validate", str(tmp_path), "--method", "sft", "--json"]) == 0
    capsys.readouterr()
    assert main(["validate", str(tmp_path), "--method", "sft", "--model", "starter", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["accepted"], report["rejected"]) == (1, 1)
    (issue,) = report["issues"]
    assert (issue["line"], issue["reason"]) == (2, "not_rendered")
    assert "leaves out the tool `weather`" in issue["message"]
