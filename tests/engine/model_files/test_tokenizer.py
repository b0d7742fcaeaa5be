"""One tokenizer, by the window's library, by the fast one and by the engine's."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlx_lm import load as load_by_mlx_lm

from droid_tune.data.templates import render_examples, render_prompt
from droid_tune.errors import UserError
from droid_tune.model.loading import load_model_tokenizer, stop_tokens
from droid_tune.model_files.model_folder import check_model_folder
from droid_tune.model_files.tokenizer import load_fast_tokenizer, load_tokenizer, tokenizer_faults


@pytest.fixture
def folder(stories_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stories_model, tmp_path / "model"))


def test_the_three_give_the_same_ids(folder: Path) -> None:
    text = "Once upon a time, 3 + 4 = 7."
    fast = load_fast_tokenizer(folder)
    assert fast is not None
    ids = fast.encode(text, add_special_tokens=False).ids
    assert load_tokenizer(folder).encode(text, add_special_tokens=False) == ids
    assert load_model_tokenizer(folder).encode(text, add_special_tokens=False) == ids


def test_what_a_tokenizer_cuts_or_fills_by_itself_is_neither(folder: Path) -> None:
    """A file may hold the length to which whoever saved it had cut or filled texts: rows of 900 tokens seemed to have 8."""
    file, text = folder / "tokenizer.json", "Once upon a time there was a little dog. " * 30
    whole = load_tokenizer(folder).encode(text)
    settings = json.loads(file.read_text())
    settings["truncation"] = {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}
    settings["padding"] = {
        "strategy": {"Fixed": 1000},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "<unk>",
    }
    file.write_text(json.dumps(settings))
    fast = load_fast_tokenizer(folder)
    assert fast is not None
    assert fast.encode(text).ids == whole
    assert load_tokenizer(folder).encode(text) == whole
    assert load_model_tokenizer(folder).encode(text) == whole
    prompt = render_prompt(load_model_tokenizer(folder), {"prompt": text})
    assert len(prompt.tokens) >= len(whole)


def change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize("settings", [True, False])
def test_an_end_that_only_the_models_files_name_is_learnt(settings: bool, folder: Path) -> None:
    """`</s>` (2) is where a run stops; without `eos_token` answers were learnt without an end."""
    if settings:
        change(folder / "tokenizer_config.json", eos_token=None)
    else:
        (folder / "tokenizer_config.json").unlink()
    row = {"prompt": "Once", "answer": "upon a time"}
    for load in (load_tokenizer, load_model_tokenizer):
        tokenizer = load(folder)
        assert (tokenizer.eos_token, tokenizer.eos_token_id) == ("</s>", 2)
        (example,) = render_examples(tokenizer, row)
        assert example.tokens[-1] == 2
        assert example.answer_mask[-1]


@pytest.mark.parametrize(
    ("config", "generation", "ends"), [(300, 2, {2}), ([300, 301], [2, 302], {2, 302}), (300, None, {2, 300})]
)
def test_an_end_left_over_in_config_json_ends_no_answer(
    config: Any, generation: Any, ends: set[int], folder: Path
) -> None:
    """As mlx-lm and transformers have it: 300 is an ordinary word, at which every answer was cut."""
    change(folder / "config.json", eos_token_id=config)
    change(folder / "generation_config.json", eos_token_id=generation)
    assert stop_tokens(load_model_tokenizer(folder), folder) == ends
    assert set(load_by_mlx_lm(str(folder))[1].eos_token_ids) == ends


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "EOF while parsing a value"),
        ("{", "EOF while parsing an object"),
        ("{}", "Model missing"),
        ('{"model": {"type": "Nothing"}}', "did not match any variant"),
        ("[]", "invalid type: sequence"),
    ],
)
def test_files_that_no_library_reads_are_said_in_the_same_words(folder: Path, content: str, why: str) -> None:
    """With the reason: only `cannot be loaded` left nobody anything to look for."""
    (folder / "tokenizer.json").write_text(content)
    told: set[str] = set()
    for load in (load_tokenizer, load_model_tokenizer):
        with pytest.raises(UserError) as caught:
            load(folder)
        told.add(str(caught.value))
    (said,) = told
    assert said.startswith(f"{folder}: the tokenizer cannot be loaded (tokenizer.json: ")
    assert why in said
    assert said.endswith("; download the model again.")
    assert load_fast_tokenizer(folder) is None


def test_a_tokenizer_whose_file_is_gone_is_said(folder: Path) -> None:
    """Its settings are still there: the library's own words are of four lines and of packages to install."""
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"cannot be loaded \(there is no tokenizer\.json\); download"):
        load_tokenizer(folder)


@pytest.mark.parametrize("longest", ["long", [1], True])
def test_a_longest_text_that_is_no_number_is_said(folder: Path, longest: Any) -> None:
    """It was compared with the length of a text once one was rendered, and crashed there."""
    change(folder / "tokenizer_config.json", model_max_length=longest)
    for load in (load_tokenizer, load_model_tokenizer):
        with pytest.raises(UserError, match=r"tokenizer_config.json: `model_max_length` must be a number"):
            load(folder)


def test_a_folder_of_gguf_alone_says_what_it_is(tmp_path: Path) -> None:
    """It was told to be whole again by a download, of files that it never had."""
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    for load in (load_tokenizer, load_model_tokenizer, check_model_folder):
        with pytest.raises(UserError, match=r"a model in GGUF, which llama.cpp runs and nothing trains"):
            load(tmp_path)


def test_a_folder_without_one_says_so(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    for load in (load_tokenizer, load_model_tokenizer):
        with pytest.raises(UserError, match="the tokenizer is missing"):
            load(folder)
    assert load_fast_tokenizer(folder) is None


@pytest.mark.parametrize(
    "cause",
    [OSError(errno.EIO, "Input/output error"), Exception("Input/output error (os error 5)")],
    ids=["Python", "Rust"],
)
def test_a_tokenizer_that_the_disk_does_not_give_is_not_to_be_downloaded_again(
    project_root: Path, cause: Exception
) -> None:
    folder, error = project_root / "resources" / "starter", RuntimeError("no tokenizer")
    error.__cause__ = cause
    with pytest.raises(UserError) as told, tokenizer_faults(folder):
        raise error
    said = "the tokenizer cannot be read (Input/output error); see that the disk is there and sound, and try again."
    assert str(told.value) == f"{folder}: {said}"
