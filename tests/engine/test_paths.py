"""What the names in a config mean on this computer."""

from __future__ import annotations

from pathlib import Path

import pytest

from droid_tune.paths import (
    BUNDLED_MODELS,
    bundled_model_dir,
    data_path,
    sample_data_dir,
    starter_model_dir,
    tools_file,
    tools_starter_dir,
)


def test_data_is_the_bundled_sample_or_a_path_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert data_path("sample") == sample_data_dir()
    assert data_path("tools-sample").parent == tools_starter_dir()
    assert data_path("~/rows") == Path("/home/ada/rows")
    assert data_path("rows/train.jsonl") == Path("rows/train.jsonl")


def test_the_bundled_tools_have_a_name_and_others_are_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert tools_file("shop") == tools_starter_dir() / "shop.py"
    assert tools_file("~/shop.py") == Path("/home/ada/shop.py")


def test_bundled_models_are_folders_and_no_other_name_is() -> None:
    assert [bundled_model_dir(name) for name in BUNDLED_MODELS] == [starter_model_dir(), tools_starter_dir()]
    assert bundled_model_dir("./starter") is None
