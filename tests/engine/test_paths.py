"""What the names in a config mean on this computer."""

from __future__ import annotations

from pathlib import Path

import pytest

from droid_tune.paths import data_path, sample_data_dir


def test_data_is_the_bundled_sample_or_a_path_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert data_path("sample") == sample_data_dir()
    assert data_path("~/rows") == Path("/home/ada/rows")
    assert data_path("rows/train.jsonl") == Path("rows/train.jsonl")
