"""Values of arguments as models write them, read strictly: what JSON can hold, each key once, nothing guessed."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, cast

_HALF = re.compile("[\ud800-\udfff]")
_LITERALS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_JSON_NAMES = {"true": True, "false": False, "null": None}


class MalformedCall(Exception):  # noqa: N818 - it says what was read
    """What was meant to be a call cannot be read as one; the message is a clause after "the call"."""


class KeyGivenTwice(MalformedCall):
    """Which of a key's values was meant is not known."""


def json_of(text: str) -> Any:
    """Strict JSON: one value, nothing behind it, no NaN, each key once. Raises MalformedCall."""
    value, end = json_at(text.strip(), 0)
    if text.strip()[end:].strip():
        raise MalformedCall("has text behind its JSON")
    return value


def json_at(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends. Raises MalformedCall."""
    try:
        return _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise MalformedCall(f"is no JSON ({why[:80]})") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def once_each(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Pairs as an object. Raises KeyGivenTwice."""
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise KeyGivenTwice(f"says `{key}` twice")
        made[key] = value
    return made


_DECODER = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=once_each)


def require_plain(value: object) -> None:
    """Raises MalformedCall for what JSON has no form for, wherever it stands in the value."""
    if isinstance(value, str):
        if found := _HALF.search(value):
            raise MalformedCall(f"has half of a character (\\u{ord(found.group()):x})")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise MalformedCall("has a number that is too large")
    elif isinstance(value, list):
        for one in cast("list[object]", value):
            require_plain(one)
    elif isinstance(value, dict):
        for key, one in cast("dict[object, object]", value).items():
            if not isinstance(key, str):
                raise MalformedCall("has an object with a key that is no text")
            require_plain(key)
            require_plain(one)
    elif value is not None and not isinstance(value, (bool, int)):
        raise MalformedCall("has arguments that are no plain values")


def python_value(written: str | ast.expr) -> Any:
    """A value as Python writes it; lists and objects may have JSON's `true` where Python has `True`.

    Raises MalformedCall, for sets, tuples and bytes too.
    """
    try:
        node = ast.parse(written.strip(), mode="eval").body if isinstance(written, str) else written
        for one in ast.walk(node):
            if isinstance(one, ast.Dict):
                keys = [key.value for key in one.keys if isinstance(key, ast.Constant)]
                once_each([(str(key), None) for key in keys])
        value: Any = ast.literal_eval(_JSONNames().visit(node))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise MalformedCall("has arguments that are no plain values") from None
    require_plain(value)
    return value


class _JSONNames(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(_JSON_NAMES[node.id]) if node.id in _JSON_NAMES else node


def as_typed(text: str, schema: Mapping[str, Any]) -> Any:
    """A value that is written without quotes, as its schema has it; text that does not fit stays text.

    Raises KeyGivenTwice for an object that does so.
    """
    wanted = schema.get("type")
    if wanted == "string":
        return None if schema.get("nullable") and text.strip() == "null" else text
    if text.strip() in _LITERALS:
        return _LITERALS[text.strip()]
    try:
        return json_of(text)
    except KeyGivenTwice:
        raise
    except MalformedCall:
        pass
    try:
        return python_value(text) if wanted in ("object", "array") else text
    except MalformedCall:
        return text


def parameter_schemas(tools: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """The schemas of a tool's parameters, none for an unknown tool."""
    for tool in tools:
        if tool["function"]["name"] == name:
            return tool["function"].get("parameters", {}).get("properties", {})
    return {}
