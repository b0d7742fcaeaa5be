"""Which files are configs, and which are data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config.config_file import LARGEST, is_config, read_config_file, with_absolute_paths
from droid_tune.errors import UserError


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
