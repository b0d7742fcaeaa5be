"""Model folders as others leave them: JSON with byte order marks, JSON of any shape, a tokenizer of another model."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from droid_tune.config.sampling import SamplingConfig
from droid_tune.data.lens import Lens
from droid_tune.data.templates import TemplateOptions
from droid_tune.errors import UserError
from droid_tune.model.loading import load_policy
from droid_tune.model_files.plausible_sizes import check_sizes
from droid_tune.model_files.read_facts import read_model
from droid_tune.paths import starter_model_dir
from droid_tune.playground.playground import Playground

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


def test_a_token_beyond_the_embedding_is_refused_where_a_row_holds_it(folder: Path) -> None:
    """A template's mark that was added to the tokenizer and never to the model."""
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    rows = load_policy("starter").embedding_rows
    assert rows
    first = 1 + max(*content["model"]["vocab"].values(), *(one["id"] for one in content["added_tokens"]))
    for number in range(first, rows + 1):  # the library numbers them without a gap
        name = "<|turn|>" if number == rows else f"<|{number}|>"
        content["added_tokens"].append({**content["added_tokens"][0], "id": number, "content": name})
    file.write_text(json.dumps(content))
    (folder / "chat_template.jinja").write_text("{% for m in messages %}<|turn|>{{ m.content }}{% endfor %}")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    policy = load_policy(folder)
    with pytest.raises(UserError, match=f"lies beyond the {rows:,} that the model has an embedding for"):
        Lens(policy.tokenizer, known=rows).measure({"prompt": "2 + 2?"})
    with pytest.raises(UserError, match="lies beyond"):
        Playground(policy, TemplateOptions()).reply("2 + 2?", SamplingConfig(max_completion_length=1))


def changed(value: Any, draw: st.DrawFn) -> Any:
    """A JSON value with one part of it, anywhere inside, of another shape."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: changed(value[key], draw)}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        place = draw(st.integers(0, min(len(value), 8) - 1))
        return [*value[:place], changed(value[place], draw), *value[place + 1 :]]
    return draw(st.sampled_from(SHAPES))


SHAPES: tuple[Any, ...] = (
    None,
    [],
    {},
    "",
    "text",
    -1,
    0,
    2.5,
    10**30,
    True,
    [[]],
    [None],
    {"a": []},
    float("nan"),
)
EVERY_FILE = (
    *FILES,
    "generation_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "model.safetensors.index.json",
)


@pytest.mark.parametrize("name", EVERY_FILE)
@given(data=st.data())
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_any_shape_of_any_part_of_a_json_is_read_or_said_in_a_sentence(
    folder: Path, name: str, data: st.DataObject
) -> None:
    source = starter_model_dir() / name
    value = json.loads(source.read_text()) if source.is_file() else {}
    (folder / name).write_text(json.dumps(data.draw(st.composite(lambda draw: changed(value, draw))())))
    for read in (load_policy, read_model):
        with suppress(UserError):
            read(folder)


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
