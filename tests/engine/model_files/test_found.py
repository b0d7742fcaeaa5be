"""Models at hand, told from a few small files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from droid_tune.model_files.found import describe, fault_of, find_models, scan_cache


def make_model(folder: Path, **config: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3", **config}))
    (folder / "model.safetensors").write_bytes(b"\0" * 2_000_000)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_the_starter_comes_first_and_needs_no_cache(cache: Path) -> None:
    assert [model.path for model in find_models()] == ["starter"]


def test_complete_models_of_the_cache_are_found_by_their_id(cache: Path) -> None:
    make_model(
        cache / "models--mlx-community--Qwen3-0.6B-4bit" / "snapshots" / "abc", quantization={"bits": 4}
    )
    (cache / "models--half--downloaded" / "snapshots" / "abc").mkdir(parents=True)
    found = scan_cache(cache)
    assert [model.path for model in found] == ["mlx-community/Qwen3-0.6B-4bit"]
    assert found[0].detail == "In the Hugging Face cache · qwen3, 4 bits, 2.0 MB"


def test_the_snapshot_that_main_names_is_taken(cache: Path) -> None:
    entry = cache / "models--a--b"
    make_model(entry / "snapshots" / "old", model_type="gemma3_text")
    make_model(entry / "snapshots" / "new")
    (entry / "refs").mkdir()
    (entry / "refs" / "main").write_text("old")
    assert "gemma3_text" in scan_cache(cache)[0].detail


def test_a_folder_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    assert describe(str(make_model(tmp_path / "mine"))).detail == "qwen3, 2.0 MB"
    (tmp_path / "empty").mkdir()
    assert "no config.json" in describe(str(tmp_path / "empty")).fault


def test_weights_in_another_format_are_no_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert "no .safetensors weights" in fault_of(tmp_path)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("owner/name", ""),
        ("/not/there", "There is no folder"),
        ("just words", "neither"),
        ("~/gone", "There is no folder"),
    ],
)
def test_what_is_typed_is_judged_at_once(path: str, fault: str) -> None:
    found = describe(path).fault
    assert found == "" if not fault else fault in found


@pytest.mark.parametrize("key", ["auto_map", "model_file"])
def test_a_model_with_code_of_its_own_is_refused_before_training(key: str, tmp_path: Path) -> None:
    model = make_model(tmp_path / "mine")
    (model / "config.json").write_text(json.dumps({"model_type": "llama", key: "own.py"}))
    assert f"its own Python code ({key})" in fault_of(model)
