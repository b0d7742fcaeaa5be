"""Models at hand, told from a few small files, and judged as the engine judges them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub.utils import HFValidationError, validate_repo_id

from droid_tune.errors import UserError
from droid_tune.model_files.found import describe, fault_of, find_models, scan_cache
from droid_tune.model_files.hub import is_hub_id, resolve_model
from droid_tune.model_files.model_folder import check_model_folder
from tests.weights import model_folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_the_starter_comes_first_and_needs_no_cache(cache: Path) -> None:
    assert [model.path for model in find_models()] == ["starter", "tools-starter"]


def test_complete_models_of_the_cache_are_found_by_their_id(cache: Path) -> None:
    model_folder(
        cache / "models--mlx-community--Qwen3-0.6B-4bit" / "snapshots" / "abc", quantization={"bits": 4}
    )
    (cache / "models--half--downloaded" / "snapshots" / "abc").mkdir(parents=True)
    found = scan_cache(cache)
    assert [model.path for model in found] == ["mlx-community/Qwen3-0.6B-4bit"]
    assert found[0].detail == "In the Hugging Face cache · qwen3, 4 bits, 2.0 MB"


def test_the_snapshot_that_main_names_is_taken(cache: Path) -> None:
    entry = cache / "models--a--b"
    model_folder(entry / "snapshots" / "old", model_type="gemma3_text")
    model_folder(entry / "snapshots" / "new")
    (entry / "refs").mkdir()
    (entry / "refs" / "main").write_text("old")
    assert "gemma3_text" in scan_cache(cache)[0].detail


def test_a_model_of_the_hub_that_will_be_refused_says_so_before_the_rest_is_downloaded(cache: Path) -> None:
    snapshot = model_folder(cache / "models--a--b" / "snapshots" / "abc", model_type="bert")
    (snapshot / "model.safetensors").unlink()
    assert "not supported by mlx-lm" in describe("a/b").fault
    (snapshot / "config.json").write_text('{"model_type": "llama"}')
    assert describe("a/b").fault == ""


def test_a_folder_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    assert describe(str(model_folder(tmp_path / "mine"))).detail == "qwen3, 2.0 MB"


def change(folder: Path, **config: object) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3", **config}))


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


REFUSED: dict[str, Callable[[Path], object]] = {
    "no config": lambda f: (f / "config.json").unlink(),
    "no JSON": lambda f: (f / "config.json").write_text("{"),
    "no object": lambda f: (f / "config.json").write_text("[]"),
    "own code": lambda f: change(f, auto_map={"AutoModel": "evil.Model"}),
    "own file": lambda f: change(f, model_file="evil.py"),
    "own tokenizer": lambda f: (f / "tokenizer_config.json").write_text('{"auto_map": {"a": "b"}}'),
    "a foreign architecture": lambda f: change(f, model_type="bert"),
    "a part of mlx-lm": lambda f: change(f, model_type="cache"),
    "no architecture": lambda f: change(f, model_type=None),
    "no weights": lambda f: (f / "model.safetensors").unlink(),
    "weights of another name": lambda f: (f / "model.safetensors").rename(f / "adapters.safetensors"),
    "pickled weights": lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
    "cut-off weights": cut,
    "a missing shard": lambda f: (f / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "b"}}'
    ),
    "a broken index": lambda f: (f / "model.safetensors.index.json").write_text("{"),
    "no tokenizer": lambda f: (f / "tokenizer.json").unlink(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_window_refuses_what_the_engine_refuses_in_the_same_words(name: str, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mine")
    assert fault_of(folder) == ""
    assert check_model_folder(folder)["model_type"] == "qwen3"
    REFUSED[name](folder)
    with pytest.raises(UserError) as caught:
        check_model_folder(folder)
    assert describe(str(folder)).fault == str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["/not/there", "just words", "~/gone", "~nobody-here/gone", "./a/b", "a/b/c", "a", "", "a/", "a/b\n"],
)
def test_what_is_typed_is_refused_at_once_in_the_words_of_the_engine(name: str) -> None:
    with pytest.raises(UserError, match="there is no such model folder") as caught:
        resolve_model(name)
    assert describe(name).fault == str(caught.value)


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    assert "a file, not a folder" in describe(str(tmp_path / "model.safetensors")).fault
    (tmp_path / "model.gguf").touch()
    assert (
        "a model in GGUF, which llama.cpp runs and nothing trains"
        in describe(str(tmp_path / "model.gguf")).fault
    )


@pytest.mark.parametrize(
    "name",
    [
        "owner/name",
        "mlx-community/Qwen3-0.6B-4bit",
        "a/b.git",
        "a/b--c",
        "a/..b",
        "-a/b",
        "a/b.",
        "a/ü",
        "a/" + "b" * 96,
        "a/" + "b" * 97,
    ],
)
def test_an_id_is_what_the_hub_takes_for_one(name: str, cache: Path) -> None:
    try:
        validate_repo_id(name)
    except HFValidationError:
        assert not is_hub_id(name)
    else:
        assert is_hub_id(name)
        assert describe(name).fault == ""


def test_judging_a_model_loads_no_heavy_library(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mine")
    code = (
        "import sys; from droid_tune.model_files.found import describe\n"
        f"assert describe({str(folder)!r}).fault == ''\n"
        "heavy = {'mlx', 'mlx_lm', 'transformers', 'torch', 'huggingface_hub', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
