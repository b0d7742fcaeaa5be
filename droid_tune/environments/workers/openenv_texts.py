"""In the child: actions of OpenEnv as tools, and its observations as text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

Message = dict[str, Any]

#: titles of action schemas whose actions are calls of MCP tools
MCP_ACTIONS = ("Action", "CallToolAction", "ListToolsAction")
#: of an observation what is no part of what is seen
_BESIDE = ("metadata", "done", "reward")
_MOST_NESTED = 20


def action_tool(schema: Mapping[str, Any]) -> Message:
    """The action of an environment as one tool, in OpenAI's form: `EchoAction` is called `echo`."""
    title = str(schema.get("title") or "act")
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", title.removesuffix("Action") or "act").lower()
    parameters = parameters_of(schema)
    parameters["properties"].pop("metadata", None)
    return _tool(re.sub(r"\W+", "_", name), str(schema.get("description") or ""), parameters)


def mcp_tools(observation: Mapping[str, Any]) -> list[Message]:
    """The tools that an environment lists, in OpenAI's form."""
    return [
        _tool(one["name"], one.get("description") or "", parameters_of(one.get("input_schema") or {}))
        for one in observation.get("tools") or ()
    ]


def _tool(name: str, description: str, parameters: Message) -> Message:
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


def parameters_of(schema: Mapping[str, Any]) -> Message:
    """A schema of an object as templates show it: what it names elsewhere put in its place, no titles."""
    named: Mapping[str, Any] = schema.get("$defs") or {}
    found: Message = {"type": "object", "properties": {}}
    for name, one in (schema.get("properties") or {}).items():
        found["properties"][name] = _plain(one, named)
    if schema.get("required"):
        found["required"] = list(schema["required"])
    return found


def _plain(schema: Any, named: Mapping[str, Any], depth: int = 0) -> Any:
    if isinstance(schema, list):
        return [_plain(one, named, depth + 1) for one in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    given = cast("Message", schema)
    reference = str(given.get("$ref") or "")
    if reference:
        if depth > _MOST_NESTED:
            return {}
        beside = {key: value for key, value in given.items() if key != "$ref"}
        given = {**named.get(reference.rpartition("/")[2], {}), **beside}
    left_out = ("$defs", "additionalProperties") if "properties" in given else ("$defs",)
    kept = {key: value for key, value in given.items() if key not in left_out and not _is_title(key, value)}
    return {key: _plain(value, named, depth + 1) for key, value in kept.items()}


def _is_title(key: str, value: Any) -> bool:
    """A title of the schema; a property of that name is an object."""
    return key == "title" and isinstance(value, str)


def text_of(observation: Mapping[str, Any], shown: str = "", *, mcp: bool = False) -> str:
    """An observation as the model reads it: the field `shown`, or its only one as it stands, or all as JSON."""
    if mcp and "result" in observation:
        return _result(observation["result"])
    seen = {key: value for key, value in observation.items() if key not in _BESIDE and value is not None}
    if shown:
        if shown not in observation:
            raise KeyError(f"the observation has no field `{shown}`; it has {', '.join(seen)}")
        return _as_text(observation[shown])
    if not seen:
        return ""
    return _as_text(next(iter(seen.values())) if len(seen) == 1 else seen)


def _result(result: Any) -> str:
    """What an MCP tool gave: its data, else the texts of its content."""
    if not isinstance(result, dict):
        return _as_text(result)
    given = cast("Message", result)
    if given.get("data") is not None:
        return _as_text(given["data"])
    parts = given.get("content")
    if isinstance(parts, list):
        texts = [
            str(one.get("text"))
            for one in cast("list[Any]", parts)
            if isinstance(one, dict) and "text" in one
        ]
        return "\n".join(texts)
    return _as_text(given)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def said_of(data: Mapping[str, Any]) -> str:
    """What an error of the server's says, with the fields that are wrong."""
    faults = [
        f"`{'.'.join(map(str, one.get('loc') or ()))}`: {one.get('msg', '')}"
        for one in data.get("errors") or ()
    ]
    return "; ".join(faults) or str(data.get("message") or data)
