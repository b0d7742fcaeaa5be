"""Rows that fit and prompts that leaked, before the run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from droid_tune.cli import main
from droid_tune.config import resolve
from droid_tune.estimate.readiness import DataReadiness, data_readiness


def folder_of(tmp_path: Path, train: list[str], valid: list[str]) -> Path:
    for name, prompts in (("train", train), ("valid", valid)):
        rows = [json.dumps({"prompt": prompt, "answer": "4"}) for prompt in prompts]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
    return tmp_path


def of(folder: Path, **values: object) -> DataReadiness:
    found = data_readiness(resolve({"data": {"path": str(folder)}, **values}))
    assert found is not None
    return found


def test_rows_without_room_are_counted_and_the_remedy_mends_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ["two and two?", "two and two? " * 20], ["four?"])
    small = {"training": {"max_seq_length": 64}, "sampling": {"max_completion_length": 16}}
    found = of(folder, **small)
    assert (found.looked_at, found.too_long, found.free) == (2, 1, 48)
    (finding,) = found.findings()
    assert finding.level == "warning"
    needed = finding.remedies[0].values["training.max_seq_length"]
    mended = of(folder, training={"max_seq_length": needed}, sampling={"max_completion_length": 16})
    assert mended.too_long == 0


def test_no_row_that_fits_is_an_error(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ["two and two? " * 60] * 3, ["four?"])
    found = of(folder, training={"max_seq_length": 64}, sampling={"max_completion_length": 16})
    assert found.none_fits
    assert [finding.level for finding in found.findings()] == ["error"]
    (finding,) = found.findings()
    assert finding.text.startswith("No row fits: all of 3 are longer than the 48 tokens")
    assert not finding.remedies[0].values  # 244 tokens and 16 for the answer: more than the starter can read
    assert "at most 256 tokens" in finding.remedies[0].text


@pytest.mark.parametrize(("valid", "leaked"), [(["a?", "b?", "b? "], 2), (["x?"], 0)])
def test_held_out_prompts_that_were_learnt_are_counted(tmp_path: Path, valid: list[str], leaked: int) -> None:
    found = of(folder_of(tmp_path, ["b?", "c?"], valid))
    assert (found.held_out, found.leaked) == (len(valid), leaked)
    assert [f.level for f in found.findings()] == ["warning"] * bool(leaked)


def test_the_check_says_what_leaked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(tmp_path, ["What is two plus two?"] * 2, ["What is two plus two?", "One plus two?"])
    settings = ["--set", "group_size=2", "--set", "max_completion_length=8"]
    main(["check", "--data", str(folder), "--prompts", "1", *settings])
    assert "Of 2 held-out prompts 1 is a training prompt as well" in capsys.readouterr().out


def test_the_check_says_that_no_row_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(tmp_path, ["two and two? " * 60] * 3, ["four?"])
    settings = ["--set", "max_seq_length=64", "--set", "max_completion_length=16"]
    assert main(["check", "--data", str(folder), "--prompts", "1", *settings]) == 1
    assert "No row fits" in capsys.readouterr().err
