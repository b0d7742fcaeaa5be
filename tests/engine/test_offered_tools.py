"""The tools of an environment in words, for who sets a run up."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import RunConfig, resolve
from droid_tune.errors import UserError
from droid_tune.playground.offered_tools import NO_TOOLS, tool_in_words, tools_offered


def acting(model: str = "tools-starter", **environment: Any) -> RunConfig:
    return RunConfig.model_validate(
        {"model": {"path": model}, "environment": {"type": "tools", **environment}}
    )


def test_the_bundled_tools_are_told_in_a_line_each() -> None:
    assert tools_offered(acting(path="shop")) == [
        "price(item): The price of an item in cents.",
        "multiply(a, b): The product of two numbers.",
    ]


def test_a_template_without_tools_is_refused_where_the_model_is_here() -> None:
    with pytest.raises(UserError, match="shows no tools"):
        tools_offered(acting("starter", path="shop"))


def test_a_model_that_is_not_here_yet_is_not_asked() -> None:
    assert len(tools_offered(acting("nobody/has-this-model", path="shop"))) == 2


def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "tools.py"
    file.write_text("def now():\n    return 12\n", encoding="utf-8")
    with pytest.raises(UserError, match="docstring"):
        tools_offered(acting(path=str(file)))


def test_a_tool_without_parameters_and_words_is_its_name() -> None:
    assert tool_in_words({"function": {"name": "now"}}) == "now()"


def test_a_package_that_is_missing_is_named_and_one_without_tools_is_said_to_have_none() -> None:
    puzzles = resolve(
        {
            "model": {"path": "tools-starter"},
            "environment": {"type": "reasoning_gym", "tasks": {"chain_sum": {}}},
        }
    )
    if importlib.util.find_spec("reasoning_gym") is None:
        with pytest.raises(UserError, match="`reasoning-gym` is not installed"):
            tools_offered(puzzles)
    else:
        assert tools_offered(puzzles) == [NO_TOOLS]
