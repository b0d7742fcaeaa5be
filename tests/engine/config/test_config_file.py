"""Which files are configs, and which are data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import parse_overrides, read_values
from droid_tune.config.files.config_file import LARGEST, is_config, read_config_file, with_absolute_paths
from droid_tune.config.files.yaml_text import MOST_DEPTH
from droid_tune.errors import UserError
from droid_tune.rewards.cases import read_case
from droid_tune.runs.folder import read_config


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"method": "grpo", "training": {"iterations": 5}}, True),
        ({"method": {"type": "sft"}}, True),
        ({"model": "m", "iters": 5, "lora_parameters": {"rank": 8}}, True),
        ({"groupSize": 8, "learningRate": 1e-5}, True),
        ({"rewards": [{"type": "format"}], "method": "grpo"}, True),
        ({"data": [{"prompt": "a", "answer": "b"}]}, False),
        ({"train": [{"prompt": "a"}], "seed": 3}, False),
        ({"prompt": "2 + 2?", "answer": "4"}, False),
        ([{"prompt": "a"}], False),
        ({}, False),
    ],
)
def test_a_json_file_of_settings_is_told_from_one_of_rows(
    tmp_path: Path, values: Any, expected: bool
) -> None:
    file = tmp_path / "file.json"
    file.write_text(json.dumps(values), encoding="utf-8")
    assert is_config(file) is expected


def test_every_yaml_file_is_a_config_and_nothing_else_is(tmp_path: Path) -> None:
    for name in ("run.yaml", "RUN.YML", "train.jsonl", "train.csv", "broken.json"):
        (tmp_path / name).write_text("iters: 5", encoding="utf-8")
    (tmp_path / "folder.yaml").mkdir()
    found = sorted(file.name for file in tmp_path.iterdir() if is_config(file))
    assert found == ["RUN.YML", "run.yaml"]
    assert not is_config(tmp_path / "gone.yaml")


def test_a_huge_file_is_no_config(tmp_path: Path) -> None:
    (tmp_path / "huge.yaml").write_text("# " + "x" * LARGEST, encoding="utf-8")
    with pytest.raises(UserError, match="too large for a config"):
        read_config_file(tmp_path / "huge.yaml")


def test_paths_are_seen_from_the_config_files_folder(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    values = {"data": {"path": "rows"}, "model": {"path": "org/name"}, "method": "sft"}
    assert with_absolute_paths(values, tmp_path) == {
        "data": {"path": str(tmp_path / "rows")},
        "model": {"path": "org/name"},
        "method": "sft",
    }


@pytest.mark.parametrize(
    "text",
    [
        "name: 2024-13-01",
        f"training: {{iterations: {'9' * 5_000}}}",
        "[" * (MOST_DEPTH + 1)
        + "]" * (MOST_DEPTH + 1),  # good YAML; what is far deeper ends PyYAML's process
        "{a: " * 500,
        "- " * 500,
    ],
    ids=lambda text: text[:18],
)
def test_no_yaml_of_any_shape_gets_through_the_parser_s_own_errors(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    for read in (read_values, lambda path: read_config(path.parent)):
        with pytest.raises(UserError) as told:
            read(file)
        assert str(file) in str(told.value)
    assert parse_overrides([f"name={text}"])["name"] == text


@pytest.mark.parametrize("text", ['{"iters": ' + "9" * 5_000 + "}", "[" * 100_000, '{"a":' * 50_000])
def test_nor_does_any_json(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="not valid JSON"):
        read_values(file)
    with pytest.raises(UserError, match="no JSON"):
        read_case(text, "cases.jsonl:1")


def test_settings_may_begin_with_a_mark_of_byte_order_and_values_with_an_e_are_texts(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('\ufeff{"name": "x"}', encoding="utf-8")
    assert read_values(file) == {"name": "x"}
    assert parse_overrides(["name=[e", "optimizer.learning_rate=1e-5"]) == {
        "name": "[e",
        "optimizer": {"learning_rate": 1e-5},
    }
