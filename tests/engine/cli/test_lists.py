"""`methods` and `runs`: for people as a table, for programs as JSON."""

from __future__ import annotations

import json

import pytest

from droid_tune.cli import main
from droid_tune.config.recipes.methods import METHOD_CONFIGS


def test_methods_as_json_hold_every_method_with_its_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "--json"]) == 0
    listed = {one["method"]: one for one in json.loads(capsys.readouterr().out)}
    assert list(listed) == list(METHOD_CONFIGS)
    assert listed["gspo"]["settings"]["importance_sampling_level"]["default"] == "sequence"


def test_methods_as_a_table_tell_each_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    said = capsys.readouterr().out
    assert [name for name in METHOD_CONFIGS if name not in said] == []


@pytest.mark.parametrize("name", METHOD_CONFIGS)
def test_a_method_is_explained_with_its_settings(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["methods", name]) == 0
    said = capsys.readouterr().out
    for heading in ("When to use it.", "Settings that matter.", "What to watch."):
        assert heading in said
    assert [key for key in METHOD_CONFIGS[name].model_fields if key != "type" and key not in said] == []


def test_gspo_says_when_its_clip_acts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "gspo"]) == 0
    assert "Its clip only acts when a rollout is used more than once" in capsys.readouterr().out


def test_one_method_as_json_is_one_object_with_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "dapo", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["method"], told["learning_rate"]) == ("dapo", 1e-5)
    assert told["help"].startswith("**DAPO (Decoupled clip and Dynamic sAmpling)**")


@pytest.mark.parametrize(
    ("name", "near"), [("Dr. GRPO", ""), ("dr-grpo", ""), ("gsop", "did you mean `gspo`?")]
)
def test_a_method_is_found_by_its_label_and_a_slip_is_answered(
    capsys: pytest.CaptureFixture[str], name: str, near: str
) -> None:
    assert main(["methods", name]) == (2 if near else 0)
    told = capsys.readouterr()
    assert near in told.err
    assert ("GRPO Done Right" in told.out) is (not near)


def test_without_runs_the_list_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "droid-tune train" in told.err


def test_without_runs_the_json_is_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
