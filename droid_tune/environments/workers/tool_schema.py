"""A function's description for a model, from its type hints and its docstring in Google's style. Standard library only.

What it gives is what transformers' `get_json_schema` gives (5.23, compared in the tests), which takes seconds to import.
"""

from __future__ import annotations

import enum
import inspect
import json
import re
import types
from collections.abc import Callable
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

Schema = dict[str, Any]

_SCALARS: dict[Any, str] = {
    int: "integer",
    float: "number",
    str: "string",
    bool: "boolean",
    type(None): "null",
}
_COLLECTIONS: dict[Any, str] = {list: "array", tuple: "array", dict: "object"}
_SECTION = re.compile(
    r"^[ \t]*(Args|Arguments|Parameters|Returns|Raises|Yields|Examples?|Notes?):[ \t]*$", re.MULTILINE
)
_ARGUMENT = re.compile(r"^([ \t]*)\*{0,2}(\w+)[ \t]*(?:\([^)]*\))?[ \t]*:[ \t]*(.*)$")
_CHOICES = re.compile(r"\(choices:\s*(.*?)\)\s*$", re.IGNORECASE)


class NoTool(Exception):  # noqa: N818 - it says what was found
    """A function that cannot be offered as a tool; the message is a clause after its name."""


def tool_schema(function: Callable[..., Any]) -> Schema:
    """`{"type": "function", "function": {name, description, parameters}}`. Raises NoTool."""
    name = function.__name__
    described, told, returned = read_docstring(inspect.getdoc(function) or "")
    if not described:
        raise NoTool("has no docstring; the model reads there what it does")
    properties, required = _parameters(function)
    for parameter, schema in properties.items():
        if parameter not in told:
            raise NoTool(f"does not say in its docstring, under `Args:`, what `{parameter}` is")
        schema |= _with_choices(told[parameter], parameter, schema.get("type"))
    parameters: Schema = {"type": "object", "properties": properties}
    if required:
        parameters["required"] = required
    whole: Schema = {"name": name, "description": described, "parameters": parameters}
    answer = _returned(function)
    if answer is not None:
        whole["return"] = {**answer, **({"description": returned} if returned else {})}
    return {"type": "function", "function": whole}


def _with_choices(words: str, parameter: str, kind: object) -> Schema:
    found = _CHOICES.search(words)
    if found is None:
        return {"description": words}
    try:
        choices: list[Any] = json.loads(found[1])
        fits = kind is None or {_SCALARS[type(one)] for one in choices} <= _allowed(kind)
    except (ValueError, TypeError, KeyError):
        raise NoTool(f"has choices for `{parameter}` that are no list of plain values in JSON") from None
    if not fits:
        raise NoTool(f"has choices for `{parameter}` that do not fit its type hint")
    told = [one.strip() if isinstance(one, str) else one for one in choices]
    return {"enum": told, "description": words[: found.start()].strip()}


def _allowed(kind: object) -> set[str]:
    """The types of JSON that values of a schema's type may have; a whole number is a number."""
    names = {str(one) for one in cast("list[object]", kind)} if isinstance(kind, list) else {str(kind)}
    return names | {"integer"} if "number" in names else names


def _parameters(function: Callable[..., Any]) -> tuple[dict[str, Schema], list[str]]:
    hints = _hints(function)
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise NoTool(f"has the parameter `{parameter.name}`, which cannot be given by name")
        if parameter.name not in hints:
            raise NoTool(f"has no type hint for `{parameter.name}`")
        properties[parameter.name] = _as_given(hints[parameter.name], parameter.name)
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    return properties, required


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except Exception as error:  # hints may be any expression
        raise NoTool(f"has type hints that cannot be read ({error})") from None


def _as_given(hint: Any, parameter: str) -> Schema:
    try:
        return schema_of(hint)
    except NoTool:
        shown = getattr(hint, "__name__", None) or str(hint)
        raise NoTool(
            f"has the type `{shown}` for `{parameter}`, which JSON has no form for; use str, int, float, bool, list, dict, "
            "Literal or an Enum"
        ) from None


def _returned(function: Callable[..., Any]) -> Schema | None:
    hints = _hints(function)
    try:
        return schema_of(hints["return"]) if "return" in hints else None
    except NoTool:
        return None


def schema_of(hint: Any) -> Schema:
    """The JSON schema of a type hint. Raises NoTool for classes that JSON has no form for."""
    if hint is Any:
        return {}
    if hint in _SCALARS or hint in _COLLECTIONS:
        return {"type": (_SCALARS | _COLLECTIONS)[hint]}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _choice([one.value for one in hint])
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return _choice(list(inner))
    if origin is Union or origin is types.UnionType:
        return _union(inner)
    if origin is list:
        return {"type": "array", "items": schema_of(inner[0])}
    if origin is tuple and len(inner) > 1 and ... not in inner:
        return {"type": "array", "prefixItems": [schema_of(one) for one in inner]}
    if origin is dict:
        values = {"additionalProperties": schema_of(inner[1])} if len(inner) == 2 else {}
        return {"type": "object", **values}
    raise NoTool("")


def _choice(values: list[Any]) -> Schema:
    if not values or any(type(value) not in _SCALARS for value in values):
        raise NoTool("")
    names = list(dict.fromkeys(_SCALARS[type(value)] for value in values))
    return {"type": names[0] if len(names) == 1 else names, "enum": values}


def _union(members: tuple[Any, ...]) -> Schema:
    parts = [schema_of(one) for one in members if one is not type(None)]
    nullable = {"nullable": True} if type(None) in members else {}
    if len(parts) == 1:
        return parts[0] | nullable
    if all(part.keys() == {"type"} and isinstance(part["type"], str) for part in parts):
        names = sorted({part["type"] for part in parts})
        return {"type": names[0] if len(names) == 1 else names} | nullable
    return {"anyOf": parts} | nullable


def read_docstring(text: str) -> tuple[str, dict[str, str], str]:
    """`(what it does, the words for each argument, what it gives back)` of a docstring without its indentation."""
    parts = _SECTION.split(text)
    described = parts[0].strip()
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    arguments = next((sections[one] for one in ("Args", "Arguments", "Parameters") if one in sections), "")
    return described, _arguments(arguments), sections.get("Returns", "").strip()


def _arguments(block: str) -> dict[str, str]:
    """`name: words` lines; a line that is indented deeper goes on with the words before it."""
    told: dict[str, str] = {}
    name, margin = "", None
    for line in block.splitlines():
        found = _ARGUMENT.match(line)
        if found and (margin is None or len(found[1]) <= margin):
            margin, name = len(found[1]), found[2]
            told[name] = found[3].strip()
        elif name and line.strip():
            told[name] = f"{told[name]} {line.strip()}".strip()
    return told
