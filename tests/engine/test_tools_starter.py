"""The bundled example of tools and turns is whole: model, template, tools, data and settings fit together."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx.utils import tree_flatten
from mlx_lm import generate, load

from droid_tune.config import resolve
from droid_tune.config.files.config_file import read_config_file, with_absolute_paths
from droid_tune.config.presets import recommended_values
from droid_tune.environments.calls.table import format_of, shows_tools
from droid_tune.environments.workers.tool_schema import tool_schema
from droid_tune.model_files.found import describe, find_models
from droid_tune.paths import data_path, tools_starter_dir

QUESTION = "What do seven pears cost?"


@pytest.fixture(scope="module")
def starter() -> tuple[Any, Any]:
    model, tokenizer, *_ = load(str(tools_starter_dir()))
    return model, tokenizer


@pytest.fixture
def script(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(project_root / "packaging")
    return import_module("make_tools_starter")


@pytest.fixture
def tools(script: Any) -> list[dict[str, Any]]:
    return script.shop_tools()


def call(name: str, **arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def rows(split: str) -> list[dict[str, str]]:
    lines = (data_path("tools-sample") / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_it_is_a_small_llama_in_float32_whose_weights_pack_to_half(starter: tuple[Any, Any]) -> None:
    model, _ = starter
    weights = dict(tree_flatten(model.parameters()))
    assert {weight.dtype for weight in weights.values()} == {mx.float32}
    assert (tools_starter_dir() / "model.safetensors").stat().st_size < 1.1e6
    assert all(mx.array_equal(one.astype(mx.bfloat16).astype(mx.float32), one) for one in weights.values())


def test_its_template_shows_tools_and_writes_calls_as_hermes_does(
    starter: tuple[Any, Any], tools: list[dict[str, Any]]
) -> None:
    _, tokenizer = starter
    source = json.loads((tools_starter_dir() / "tokenizer_config.json").read_text())["chat_template"]
    found = format_of(source)
    assert found is not None
    assert (found.name, shows_tools(source)) == ("hermes", True)
    made = {"type": "function", "function": {"name": "price", "arguments": {"item": "pears"}}}
    messages = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "The price first.", "tool_calls": [made]},
        {"role": "tool", "content": "38", "name": "price"},
    ]
    text = tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<|system|>Tools:\nprice(item) The price of an item in cents."
        "\nmultiply(a, b) The product of two numbers.<|end|>"
        f"<|user|>{QUESTION}<|end|><|assistant|>The price first.\n{call('price', item='pears')}<|end|>"
        "<|tool|>38<|end|><|assistant|>"
    )


def test_without_tools_its_template_is_a_plain_one(starter: tuple[Any, Any]) -> None:
    _, tokenizer = starter
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<|system|>Be kind.<|end|><|user|>Hi<|end|><|assistant|>"


@pytest.mark.parametrize(
    "text", [QUESTION, call("multiply", a=7, b=38), "Zoë's 日本 costs 3.50!", " two  spaces\n\t"]
)
def test_its_tokenizer_gives_any_text_back(starter: tuple[Any, Any], text: str) -> None:
    _, tokenizer = starter
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_call_has_few_tokens(starter: tuple[Any, Any]) -> None:
    _, tokenizer = starter
    assert len(tokenizer.encode(call("multiply", a=17, b=38))) < 30


def test_it_knows_the_way_once_it_is_on_it(starter: tuple[Any, Any], tools: list[dict[str, Any]]) -> None:
    """Each turn as it should be, and what the model writes next once it begins to call."""
    model, tokenizer = starter
    turns: list[dict[str, str]] = [{"role": "user", "content": QUESTION}]
    wrote: list[str] = []
    way = (
        ("<tool_call>\n", call("price", item="pears"), "38"),
        ("<tool_call>\n", call("multiply", a=7, b=38), "266"),
        ("", "The answer is 266.", ""),
    )
    for begun, wanted, heard in way:
        prompt = list(tokenizer.apply_chat_template(turns, tools=tools, add_generation_prompt=True))
        wrote.append(begun + generate(model, tokenizer, [*prompt, *tokenizer.encode(begun)], max_tokens=48))
        turns += [{"role": "assistant", "content": wanted}, {"role": "tool", "content": heard}]
    assert wrote == [wanted for _, wanted, _ in way]


def test_the_tools_of_the_file_are_those_that_it_was_trained_with(script: Any) -> None:
    shop = script.shop()
    told = [tool_schema(shop[name])["function"]["name"] for name in ("price", "multiply")]
    assert told == ["price", "multiply"]
    assert (shop["price"]("pears"), shop["multiply"](7, 38)) == (38, 266)
    with pytest.raises(ValueError, match="no melons"):
        shop["price"]("melons")


def test_the_data_is_what_its_generator_makes_and_its_splits_share_no_errand(
    script: Any, tmp_path: Path
) -> None:
    script.write_shop_data(tmp_path)
    for split in ("train", "valid"):
        file = data_path("tools-sample") / f"{split}.jsonl"
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    train, valid = rows("train"), rows("valid")
    assert (len(train), len(valid)) == (400, 100)
    assert not {row["prompt"] for row in train} & {row["prompt"] for row in valid}


def test_its_settings_make_a_run() -> None:
    file = tools_starter_dir() / "run.yaml"
    config = resolve(with_absolute_paths(read_config_file(file).values, file.parent))
    assert (config.model.path, config.data.path) == ("tools-starter", "tools-sample")
    assert config.environment is not None
    assert config.environment.model_dump()["path"] == "shop"
    assert [reward.type for reward in config.rewards] == ["accuracy"]
    assert recommended_values("tools-starter", "grpo")["training"]["iterations"] == config.training.iterations


def test_it_stands_in_the_list_of_models_and_can_be_used() -> None:
    assert [model.path for model in find_models()][:2] == ["starter", "tools-starter"]
    assert describe("tools-starter").fault == ""
