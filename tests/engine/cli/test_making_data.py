"""`sample-data` and `convert` write new folders that `validate` accepts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from droid_tune.cli import main
from droid_tune.config.recipes.methods import METHOD_CONFIGS


@pytest.mark.parametrize("method", METHOD_CONFIGS)
def test_sample_data_of_a_method_is_good_for_it(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sample"
    assert main(["sample-data", "--method", method, "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert main(["validate", str(out), "--method", method, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_the_bundled_sample_is_good_for_grpo(project_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["validate", str(project_root / "resources" / "sample-data"), "--method", "grpo", "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["ok"] is True


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    folder = tmp_path / "pairs"
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"prompt": "1 + 1?", "answer": "2", "system": "Be brief."}\n')
    return folder


def test_converted_rows_say_the_same_in_the_other_format(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(pairs), "--to", "messages", "--out", str(tmp_path / "chat")]) == 0
    assert capsys.readouterr().err == "1 train row\n"
    row = json.loads((tmp_path / "chat" / "train.jsonl").read_text())
    assert [turn["content"] for turn in row["messages"]] == ["Be brief.", "1 + 1?", "2"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--to", "mesages", "--out", "new"], 2, "`mesages` is no format"),
        (["--to", "messages"], 2, "--out"),
        (["--to", "preference", "--out", "new"], 1, "no pair of answers"),
    ],
)
def test_what_cannot_be_converted_is_said(
    pairs: Path,
    words: list[str],
    code: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(pairs.parent)
    assert main(["convert", str(pairs), *words]) == code
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1


def test_a_folder_with_something_in_it_is_never_written_to(
    pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (pairs / "train.jsonl").read_text()
    assert main(["convert", str(pairs), "--to", "messages", "--out", str(pairs)]) == 1
    assert (pairs / "train.jsonl").read_text() == before
    assert "not empty" in capsys.readouterr().err
