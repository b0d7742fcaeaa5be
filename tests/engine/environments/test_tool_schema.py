"""A function's schema is transformers' own, and a call is held against it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Literal

import pytest

from droid_tune.environments.arguments import fault_of
from droid_tune.environments.episode import ToolCall
from droid_tune.environments.workers.tool_schema import NoTool, tool_schema


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


def plain(a: int, b: float = 1.0) -> float:
    """Adds two numbers.

    Args:
        a: The first.
        b: The second one,
            which may be left out.

    Returns:
        The sum.
    """
    return a + b


def everything(
    word: str,
    flag: bool,
    any_kind: Any,
    words: list[str],
    nested: list[dict[str, int]],
    pair: tuple[int, str],
    maybe: int | None,
    either: int | str,
    mixed: list[int] | str,
    choice: Literal["x", "y", 3],
    colour: Colour,
    bare: dict,  # type: ignore[type-arg]  # pyright: ignore
) -> None:
    """Many kinds.

    It has more to say here.

    Args:
        word: A word (choices: ["tea", "coffee"])
        flag: A flag.
        any_kind: Anything.
        words: Words.
        nested: Nested.
        pair: A pair.
        maybe: Perhaps: with a colon.
        either: Either.
        mixed: Mixed.
        choice: A choice.
        colour: A colour.
        bare: Bare.
    """


def nothing() -> str:
    """Takes nothing."""
    return ""


class Game:
    def move(self, direction: str) -> str:
        """
        Moves.

        Args:
            direction: Where to.

        Returns:
            What is seen there.
        """
        return direction


@pytest.mark.parametrize("function", [plain, everything, nothing, Game().move])
def test_the_schema_is_the_one_that_transformers_makes(function: Callable[..., Any]) -> None:
    from transformers.utils.chat_template_utils import get_json_schema

    assert tool_schema(function) == get_json_schema(function)


def untyped(a) -> int:  # type: ignore[no-untyped-def]  # pyright: ignore
    """Adds.

    Args:
        a: The first.
    """
    return a  # pyright: ignore


def undocumented(a: int) -> int:
    return a


def half_documented(a: int, b: int) -> int:
    """Adds.

    Args:
        a: The first.
    """
    return a + b


def of_a_class(game: Game) -> str:
    """Plays.

    Args:
        game: The game.
    """
    return str(game)


def of_three(size: int, word: str) -> str:
    """Chooses.

    Args:
        size: How big. (choices: [1, 2, 3])
        word: What. (choices: ["tea ", "milk"])
    """
    return f"{word} {size}"


def of_texts(size: int) -> int:
    """Chooses.

    Args:
        size: How big. (choices: ["1", "2"])
    """
    return size


def of_lists(size: int) -> int:
    """Chooses.

    Args:
        size: How big. (choices: [[1], 2])
    """
    return size


def test_choices_have_the_type_of_their_hint() -> None:
    told = [tool_schema(of_three)]
    assert fault_of(ToolCall("of_three", {"size": 2, "word": "tea"}), told) == ""
    assert "one of 1, 2, 3" in fault_of(ToolCall("of_three", {"size": 4, "word": "tea"}), told)
    assert "must be integer" in fault_of(ToolCall("of_three", {"size": "2", "word": "tea"}), told)


def any_number(*numbers: int) -> int:
    """Adds.

    Args:
        numbers: All of them.
    """
    return sum(numbers)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (untyped, "has no type hint for `a`"),
        (undocumented, "has no docstring; the model reads there what it does"),
        (half_documented, "does not say in its docstring, under `Args:`, what `b` is"),
        (of_a_class, "has the type `Game` for `game`, which JSON has no form for"),
        (of_texts, "has choices for `size` that do not fit its type hint"),
        (of_lists, "has choices for `size` that are no list of plain values in JSON"),
        (any_number, "has the parameter `numbers`, which cannot be given by name"),
    ],
)
def test_why_a_function_is_no_tool_is_said(function: Callable[..., Any], why: str) -> None:
    with pytest.raises(NoTool) as caught:
        tool_schema(function)
    assert why in str(caught.value)


# -- calls against the schema ------------------------------------------------------------------------------------------

TOOLS = [tool_schema(plain), tool_schema(everything), tool_schema(nothing)]


@pytest.mark.parametrize(
    ("name", "arguments", "fault"),
    [
        ("plain", {"a": 1}, ""),
        ("plain", {"a": 1, "b": 2}, ""),  # a whole number is a number
        ("nothing", {}, ""),
        ("minus", {}, "no tool `minus`; tools: plain, everything, nothing"),
        ("plain", {}, "`plain` needs `a`"),
        ("plain", {"a": 1, "c": 2}, "`plain` has no `c`; it takes a, b"),
        ("plain", {"a": "1"}, "`a` must be integer, not string"),
        ("plain", {"a": 1.0}, "`a` must be integer, not number"),
        ("plain", {"a": True}, "`a` must be integer, not boolean"),
        ("plain", {"a": None}, "`a` must be integer, not null"),
    ],
)
def test_a_call_must_fit_its_tool(name: str, arguments: dict[str, Any], fault: str) -> None:
    assert fault_of(ToolCall(name, arguments), TOOLS) == fault


@pytest.mark.parametrize(
    ("argument", "value", "fault"),
    [
        ("word", "milk", "must be one of tea, coffee"),
        ("any_kind", [1, "x"], ""),
        ("words", ["x", 1], "holds a value that must be string, not integer"),
        (
            "nested",
            [{"x": 1}, {"y": "z"}],
            "holds a value that holds a value that must be integer, not string",
        ),
        ("pair", [1], "must hold 2 values, not 1"),
        ("maybe", None, ""),
        ("either", "x", ""),
        ("either", [], "must be integer or string, not array"),
        ("mixed", [1, "x"], "is array, which is none of what it may be"),
        ("choice", 3, ""),
        ("choice", "z", "must be one of x, y, 3"),
        ("colour", "green", "must be one of red, blue"),
    ],
)
def test_an_argument_must_fit_its_type(argument: str, value: Any, fault: str) -> None:
    good: dict[str, Any] = {
        "word": "tea", "flag": True, "any_kind": 1, "words": ["x"], "nested": [{"x": 1}], "pair": [1, "x"],
        "maybe": 1, "either": 1, "mixed": "x", "choice": "x", "colour": "red", "bare": {},
    }  # fmt: skip
    said = fault_of(ToolCall("everything", good | {argument: value}), TOOLS)
    assert said == (f"`{argument}` {fault}" if fault else "")
