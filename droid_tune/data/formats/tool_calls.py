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
    return {**function, "arguments": arguments_of(function.get("arguments"))}


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
    return found if isinstance(found, dict) else written
