"""Model folders as others leave them: JSON with byte order marks, JSON of any shape, a tokenizer of another model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from droid_tune.errors import UserError
from droid_tune.model.loading import load_policy
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
