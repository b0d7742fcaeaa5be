"""`droid-tune estimate`, `droid-tune check` and `--dry-run`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from droid_tune.cli import main


def test_the_estimate_is_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "fits"
    assert set(found["memory"]) == {"peak_bytes", "parts"}
    assert {"rollout", "update"} <= set(found["details"]["stages"])


def test_the_estimate_in_words_has_verdict_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "--no-data", "--set", "memory.budget_mb=4"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("It is too large: about ")
    assert "per step" in said
    assert "--set " in said


def test_a_setting_that_does_not_exist_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "--set", "grup_size=4"]) == 2
    assert "group_size" in capsys.readouterr().err


def test_data_that_cannot_be_read_leaves_an_answer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["estimate", "--data", str(tmp_path / "nothing")]) == 0
    said = capsys.readouterr()
    assert "not measured" in said.err
    assert "assumed" in said.out


def test_a_dry_run_says_what_it_checked_and_trains_nothing(
    capsys: pytest.CaptureFixture[str], data_home: Path
) -> None:
    assert main(["train", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "template: the first 8 rows render" in said.err
    assert "rewards: " in said.err
    assert "It fits" in said.err
    assert "method:" in said.out
    assert not (data_home / "runs").exists()


def test_the_check_prints_rates_and_findings(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(
        ["check", "--prompts", "1", "--set", "group_size=2", "--set", "max_completion_length=8", "--json"]
    )
    found = json.loads(capsys.readouterr().out)
    assert code == (1 if found["verdict"] == "bad" else 0)
    assert found["measured"]["peak_bytes"] > 0
    assert len(found["measured"]["groups"][0]["completions"]) == 2
