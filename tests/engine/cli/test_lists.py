"""`methods` and `runs`: for people as a table, for programs as JSON."""

from __future__ import annotations

import json

import pytest

from droid_tune.cli import main
from droid_tune.config.methods import METHOD_CONFIGS


def test_methods_as_json_hold_every_method_with_its_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "--json"]) == 0
    listed = {one["method"]: one for one in json.loads(capsys.readouterr().out)}
    assert list(listed) == list(METHOD_CONFIGS)
    assert listed["gspo"]["settings"]["importance_sampling_level"]["default"] == "sequence"


def test_methods_as_a_table_tell_each_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    said = capsys.readouterr().out
    assert [name for name in METHOD_CONFIGS if name not in said] == []


def test_without_runs_the_list_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "droid-tune train" in told.err


def test_without_runs_the_json_is_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
