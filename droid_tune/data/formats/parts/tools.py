"""Tools that a conversation may use: a list of JSON schemas, as objects or as the JSON text that some formats write."""

from __future__ import annotations

import json
from typing import Any, cast

Tool = dict[str, Any]


def parsed_object(value: Any) -> dict[str, Any] | None:
    """An object, or the one that a JSON text holds (tables keep objects as text); None for everything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except ValueError:
            return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def parsed_tools(value: Any) -> list[Tool] | None:
    """The tools in OpenAI's form `{"type": "function", "function": {...}}`; [] for none, None for what is no tools.

    Bare functions (`{"name", "parameters"}`: LLaMA-Factory's and OpenAI's older `functions`) are put into that form.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else []
        except ValueError:
            return None
    items = cast("list[Any]", value if isinstance(value, list) else [] if value is None else [value])
    tools = [_tool(item) for item in items]
    return None if None in tools else cast("list[Tool]", tools)


def _tool(item: Any) -> Tool | None:
    """One tool, itself perhaps JSON text; None where it is none."""
    if isinstance(item, str):
        try:
            item = json.loads(item)
        except ValueError:
            return None
    if not isinstance(item, dict):
        return None
    tool = cast("Tool", item)
    if isinstance(tool.get("name"), str) and "function" not in tool:
        return {"type": "function", "function": {key: tool[key] for key in tool if key != "type"}}
    return tool
