"""A turn's calls of tools: OpenAI's `tool_calls` and older `function_call`, and ShareGPT's turns that are a call."""

from __future__ import annotations

import json
from typing import Any, cast

Call = dict[str, Any]


def parsed_calls(value: Any) -> list[Call] | None:
    """The calls as `{"type": "function", "function": {"name", "arguments"}, ...}`; None where something is no object.

    Arguments that are the text of a JSON object become that object, so that no template encodes them twice.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    items = cast("list[Any]", value if isinstance(value, list) else [value])
    calls = [_call(item) for item in items]
    return None if not calls or None in calls else cast("list[Call]", calls)


def is_named(call: Call) -> bool:
    """Whether it says which function is called."""
    function = call.get("function")
    return isinstance(function, dict) and isinstance(cast("Call", function).get("name"), str)


def _call(item: Any) -> Call | None:
    if not isinstance(item, dict):
        return None
    call = {key: one for key, one in cast("Call", item).items() if one is not None}
    if "function" not in call and isinstance(call.get("name"), str):
        about = {key: call[key] for key in call if key in ("type", "id")}
        call = {**about, "function": {key: call[key] for key in call if key not in about}}
    if not is_named(call):
        return call
    return {"type": "function", **call, "function": _with_object(call["function"])}


def _with_object(function: Call) -> Call:
    return {**function, "arguments": without_nulls(arguments_of(function.get("arguments")))}


class WrittenOut(dict[str, Any]):
    """An object that was JSON text: what it calls null is meant. In objects of tables null is a column of other rows."""


def without_nulls(value: Any) -> Any:
    """Objects without the keys that hold null: tables have every column in every row."""
    if isinstance(value, WrittenOut):
        return value
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {key: without_nulls(item) for key, item in items if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in cast("list[Any]", value)]
    return value


def arguments_of(written: Any) -> Any:
    """A call's arguments as an object, however often they were encoded as JSON text; what is none stays as it stands."""
    found = written
    while isinstance(found, str) and found.strip():
        try:
            found = json.loads(found)
        except ValueError:
            return written
    if found is None or isinstance(found, str):
        return {}
    if not isinstance(found, dict):
        return written
    return WrittenOut(found) if isinstance(written, str) else found
