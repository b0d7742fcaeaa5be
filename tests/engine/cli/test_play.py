"""`droid-tune play`, and rows that an environment brings."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from droid_tune.cli.entry import main
from droid_tune.paths import tools_starter_dir
from tests.engine.environments.own_files import TOOLS
from tests.engine.environments.test_class_environment import COUNTER


def settings(folder: Path, kind: str, source: str) -> Path:
    (folder / "own.py").write_text(source, encoding="utf-8")
    (folder / "data").mkdir()
    row = {"prompt": "What is 2 + 3?", "answer": "5", "target": 3}
    (folder / "data" / "train.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    file = folder / "run.yaml"
    file.write_text(
        f"environment: {{type: {kind}, path: {folder / 'own.py'}, tool_prompt: system, max_turns: 2, max_turn_tokens: 24}}\n"
        f"data: {{path: {folder / 'data'}}}\nmodel: {{path: tools-starter}}\n"
        "training: {max_seq_length: 512}\nsampling: {max_completion_length: 48}\n",
        encoding="utf-8",
    )
    return file


def test_episodes_are_played_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = settings(tmp_path, "class", COUNTER)
    assert main(["play", "--config", str(file), "--rows", "1", "--trust"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("\nEpisode 1\n  system: You may call these tools:")
    assert "  user: What is 2 + 3?\n" in out
    assert "  assistant: " in out
    assert ", reward -0." in out or ", reward 0" in out or ", reward 1" in out


def test_episodes_are_one_document_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = settings(tmp_path, "tools", TOOLS)
    assert main(["play", "--config", str(file), "--json", "--trust"]) == 0
    [episode] = json.loads(capsys.readouterr().out)
    assert [one["role"] for one in episode["opening"]] == ["system", "user"]
    assert episode["turns"][0]["role"] == "assistant"
    assert len(episode["tokens"]) == len(episode["learnt"])
    assert episode["learnt"][0] is False
    assert any(episode["learnt"])
    assert episode["ending"] in ("answered", "tokens", "turns")


def test_an_episode_is_shown_as_the_model_sees_it_with_what_is_learnt_marked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tools_starter_dir() / "run.yaml"
    assert main(["play", "--config", str(config), "--rows", "3", "--tokens", "--set", "training.seed=1"]) == 0
    out = capsys.readouterr().out
    assert "<tools>" in out or '"name": "price"' in out  # the tools stand in the template
    calls = re.findall(r"\[\[(.*?)\]\]", out, re.DOTALL)
    assert any("<tool_call>" in one for one in calls)  # what the model wrote is learnt
    assert not any("tool_response" in one for one in calls)  # what it was told is not
    assert "of them learnt" in out


def test_a_prompt_without_room_is_said_with_where_to_make_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = settings(tmp_path, "tools", TOOLS)
    assert main(["play", "--config", str(file), "--trust", "--set", "training.max_seq_length=200"]) == 1
    out = capsys.readouterr().out
    assert "tokens of the episode: both together may have 200 (`training.max_seq" in out
    assert "[could not begin, 0 turns]" in out


def test_a_model_whose_template_shows_no_tools_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = settings(tmp_path, "tools", TOOLS)
    arguments = ["play", "--config", str(file), "--trust", "--set", "environment.tool_prompt=template"]
    arguments += ["--set", "model.path=starter"]
    assert main(arguments) != 0
    assert (
        "The model's chat template shows no tools; choose a model that knows tools" in capsys.readouterr().err
    )


def test_data_without_what_the_environment_needs_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = settings(
        tmp_path, "class", COUNTER.replace("target: int", "goal: int").replace("int(target)", "int(goal)")
    )
    assert main(["play", "--config", str(file), "--trust"]) != 0
    assert "The environment needs the column `goal`, which no row has" in capsys.readouterr().err


def test_without_an_environment_there_is_nothing_to_play(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play"]) != 0
    assert "The settings name no environment" in capsys.readouterr().err


def test_tools_bring_no_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = settings(tmp_path, "tools", TOOLS)
    assert main(["sample-data", "--config", str(file), "--trust", "--out", str(tmp_path / "out")]) != 0
    assert "bring no rows of their own" in capsys.readouterr().err
