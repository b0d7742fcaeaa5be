"""The section `environment`: what it lets through, and the sentence for what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from droid_tune.config import build, dump_yaml, resolve
from droid_tune.config.environments import ClassEnvironment, ToolsEnvironment
from droid_tune.config.files.load import parse_overrides, read_values
from droid_tune.errors import UserError


def refused(values: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        resolve(values)
    said = str(caught.value)
    assert "\n" not in said
    return said


def test_without_the_section_there_is_no_environment() -> None:
    assert build({}).environment is None
    assert build({"environment": None}).environment is None


def test_the_type_chooses_the_kind() -> None:
    assert build({"environment": {"type": "tools", "path": "tools.py"}}).environment == ToolsEnvironment(
        path="tools.py"
    )


def test_no_turns_are_refused() -> None:
    said = refused({"environment": {"type": "tools", "path": "tools.py", "max_turns": 0}})
    assert said == "environment.max_turns: must be 1 or more (got 0)."


def test_an_unknown_kind_names_those_there_are() -> None:
    said = refused({"environment": {"type": "gym", "id": "x"}})
    assert "gym" in said
    assert "verifiers" in said


def test_a_misspelt_setting_names_the_nearest() -> None:
    said = refused({"environment": {"type": "tools", "path": "tools.py", "max_turn": 3}})
    assert "did you mean `max_turns`?" in said


def test_a_method_that_does_not_sample_groups_cannot_act() -> None:
    said = refused({"method": "sft", "environment": {"type": "tools", "path": "tools.py"}})
    assert "`environment` tools is acted in by methods that sample groups, and sft does not" in said


def test_tools_need_a_reward_beside_them() -> None:
    said = refused({"rewards": [], "environment": {"type": "tools", "path": "tools.py"}})
    assert "`rewards` must hold at least one reward" in said


def test_an_environment_that_judges_brings_no_other_reward_unless_asked() -> None:
    alone = {"environment": {"type": "class", "path": "game.py"}}
    assert build(alone).rewards == resolve(alone).rewards == ()  # also where the model recommends others
    beside = build({"environment": {"type": "class", "path": "game.py"}, "rewards": [{"type": "repetition"}]})
    assert [one.type for one in beside.rewards] == ["repetition"]
    assert [one.type for one in build({"environment": {"type": "tools", "path": "a.py"}}).rewards] == [
        "accuracy"
    ]


def test_what_is_written_reads_back(tmp_path: Any) -> None:
    config = resolve({"environment": {"type": "verifiers", "id": "gsm8k", "args": {"rows": 3}}})
    file = tmp_path / "config.yaml"
    file.write_text(dump_yaml(config))
    assert resolve(read_values(file)) == config


def test_another_type_replaces_the_section_and_words_reach_its_settings() -> None:
    values = {"environment": {"type": "tools", "path": "tools.py", "functions": ["add"]}}
    from droid_tune.config.files.load import merge

    config = build(merge(values, {"environment": {"type": "class", "path": "game.py"}}))
    assert config.environment == ClassEnvironment(path="game.py")
    assert parse_overrides(["max_turns=3"]) == {"environment": {"max_turns": 3}}
