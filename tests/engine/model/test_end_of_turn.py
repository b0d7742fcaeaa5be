"""A completion ends where the template ends a turn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from droid_tune.model.loading import load_model_tokenizer
from droid_tune.paths import starter_model_dir


@pytest.mark.parametrize("eos", ["<|end|>", "<|pad|>"])
def test_the_token_that_ends_a_turn_ends_a_completion(tmp_path: Path, eos: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(starter_model_dir(), folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "eos_token": eos}))
    tokenizer = load_model_tokenizer(folder)
    ends = {tokenizer.convert_tokens_to_ids(name) for name in (eos, "<|end|>")}
    assert ends <= set(tokenizer.eos_token_ids)
