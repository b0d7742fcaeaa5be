"""Model folders as others leave them: JSON with byte order marks, JSON of any shape, a tokenizer of another model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from droid_tune.errors import UserError
from droid_tune.model.loading import load_policy
from droid_tune.model_files.plausible_sizes import check_sizes
from droid_tune.paths import starter_model_dir

FILES = ("config.json", "tokenizer_config.json", "tokenizer.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(starter_model_dir(), tmp_path / "model"))


def test_a_byte_order_mark_before_every_json_changes_nothing(folder: Path) -> None:
    for file in folder.glob("*.json"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    marked, plain = load_policy(folder), load_policy("starter")
    assert marked.tokenizer.encode("What is two plus two?") == plain.tokenizer.encode("What is two plus two?")
    assert marked.tokenizer.has_chat_template
    assert marked.path == folder
    assert (folder / "config.json").read_bytes().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("shape", [[], None, 7, "text"])
def test_json_of_another_shape_is_a_sentence(folder: Path, name: str, shape: Any) -> None:
    (folder / name).write_text(json.dumps(shape))
    with pytest.raises(UserError):
        load_policy(folder)


def test_a_tokenizer_with_more_tokens_than_the_embedding_is_refused(folder: Path) -> None:
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary |= {f"unheard{number}": len(vocabulary) + number for number in range(100_000)}
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match="tokens and the model's embedding only"):
        load_policy(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 10**9),
        ("num_hidden_layers", -1),
        ("num_hidden_layers", 2.5),
        ("num_hidden_layers", "four"),
        ("hidden_size", 10**30),
        ("vocab_size", True),
        ("num_attention_heads", {}),
        ("text_config", {"num_hidden_layers": 10**9}),
    ],
)
def test_a_config_with_sizes_that_no_model_has_is_refused_before_anything_is_built(
    folder: Path, key: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    monkeypatch.setattr("droid_tune.model.loading.load_model", lambda *_args, **_kwargs: pytest.fail("built"))
    with pytest.raises(UserError, match="is no size of a model"):
        load_policy(folder)


def test_a_config_may_leave_sizes_open_and_have_no_experts(tmp_path: Path) -> None:
    check_sizes({"num_experts": 0, "head_dim": None, "num_key_value_heads": [4, 8]}, tmp_path)
