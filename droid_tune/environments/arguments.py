"""Whether a call fits the tool that it names: strictly, by the schema that the model was shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from droid_tune.environments.episode import ToolCall

Schema = Mapping[str, Any]


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_FITS: dict[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "number": _is_number,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}
_MOST_NESTED = 20


def fault_of(call: ToolCall, tools: Sequence[Schema]) -> str:
    """One sentence that the model can learn from, empty where the call fits."""
    tool = next((one["function"] for one in tools if one["function"]["name"] == call.name), None)
    if tool is None:
        names = ", ".join(str(one["function"]["name"]) for one in tools)
        return f"no tool `{call.name}`; tools: {names or 'none'}"
    parameters: Schema = tool.get("parameters") or {}
    known: Schema = parameters.get("properties") or {}
    for name in parameters.get("required") or ():
        if name not in call.arguments:
            return f"`{call.name}` needs `{name}`"
    for name, value in call.arguments.items():
        if name not in known:
            return f"`{call.name}` has no `{name}`; it takes {', '.join(known) or 'nothing'}"
        fault = _misfit(value, known[name])
        if fault:
            return f"`{name}` {fault}"
    return ""


def _misfit(value: object, schema: Schema, depth: int = 0) -> str:
    """A clause, empty where the value fits."""
    if depth > _MOST_NESTED:
        return "is nested too deeply"
    if value is None and schema.get("nullable"):
        return ""
    if "anyOf" in schema:
        fits = any(not _misfit(value, one, depth + 1) for one in schema["anyOf"])
        return "" if fits else f"is {_kind(value)}, which is none of what it may be"
    allowed = schema.get("type")
    wanted: list[str] = allowed if isinstance(allowed, list) else [allowed] if allowed else []
    if wanted and not any(_FITS.get(one, lambda _: True)(value) for one in wanted):
        return f"must be {' or '.join(wanted)}, not {_kind(value)}"
    choices = schema.get("enum")
    if choices is not None and value not in choices:
        return f"must be one of {', '.join(map(str, choices))}"
    return _misfit_inside(value, schema, depth)


def _misfit_inside(value: object, schema: Schema, depth: int) -> str:
    inner: list[tuple[object, Schema]] = []
    if isinstance(value, list):
        held = cast("list[object]", value)
        if "prefixItems" in schema:
            inner = list(zip(held, schema["prefixItems"], strict=False))
            if len(held) != len(schema["prefixItems"]):
                return f"must hold {len(schema['prefixItems'])} values, not {len(held)}"
        elif "items" in schema:
            inner = [(one, schema["items"]) for one in held]
    elif isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        inner = [(one, schema["additionalProperties"]) for one in cast("dict[str, object]", value).values()]
    return next((f"holds a value that {fault}" for one in inner if (fault := _misfit(*one, depth + 1))), "")


_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


def _kind(value: object) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "null")
