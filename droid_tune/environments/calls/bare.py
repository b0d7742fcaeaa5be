"""Answers that are a call as a whole: Llama's JSON, and calls written as Python writes them (Llama 3.2 and 4, LFM2)."""

from __future__ import annotations

import ast
import re
from typing import Any, cast

from droid_tune.environments.calls.argument_values import (
    MalformedCall,
    json_at,
    once_each,
    python_value,
    require_plain,
)
from droid_tune.environments.calls.base import CallFormat, Found, SaidAndCalled, Tools, blocks, call_of
from droid_tune.environments.episode import ToolCall

_PYTHON_TAG = "<|python_tag|>"
#: a call that goes on may be followed by another one
_BETWEEN = re.compile(r"\s*[;,]?\s*")
_LOOKS_LIKE_CALL = re.compile(r"\{\s*\"(?:name|type|function|parameters|arguments)\"")
_LOOKS_PYTHONIC = re.compile(r"\[\s*[A-Za-z_][\w.]*\(")


def _llama_json(text: str, tools: Tools) -> SaidAndCalled:
    """`{"name": ..., "parameters": {...}}`, alone or several in a row; anything else is an answer, an object too that only
    has a name."""
    said = text.strip()
    tagged = said.startswith(_PYTHON_TAG)
    said = said.removeprefix(_PYTHON_TAG).strip()
    if not tagged and not _LOOKS_LIKE_CALL.match(said):
        return SaidAndCalled(text.strip())
    if not said:
        return SaidAndCalled("", ("is empty",))
    found: list[Found] = []
    at = 0
    try:
        while at < len(said):
            value, at = json_at(said, at)
            if not tagged and not found and not _is_call(value, tools):
                return SaidAndCalled(text.strip())
            key = "parameters" if isinstance(value, dict) and "parameters" in value else "arguments"
            found.append(call_of(value, key))
            between = _BETWEEN.match(said, at)
            at = between.end() if between else at
    except MalformedCall as error:
        found.append(str(error))
    return SaidAndCalled("", tuple(found))


def _is_call(value: object, tools: Tools) -> bool:
    """Whether an object is meant as a call: it has arguments, or a tool's name."""
    if not isinstance(value, dict):
        return False
    given = cast("dict[str, Any]", value)
    names = {one["function"]["name"] for one in tools}
    return bool({"parameters", "arguments", "function"} & given.keys()) or given.get("name") in names


def _pythonic(text: str, _: Tools) -> SaidAndCalled:
    """`[first(a=1), second(b="x")]` as the whole answer."""
    said = text.strip().removeprefix(_PYTHON_TAG).strip()
    if not _LOOKS_PYTHONIC.match(said):
        return SaidAndCalled(text.strip())
    return SaidAndCalled("", tuple(_python_calls(said)))


def _pythonic_tagged(text: str, _: Tools) -> SaidAndCalled:
    """The same between `<|tool_call_start|>` and `<|tool_call_end|>`, with an answer beside it."""
    outside, inside, left_open = blocks(text, "<|tool_call_start|>", "<|tool_call_end|>")
    found: list[Found] = []
    for place, body in enumerate(inside):
        closed = not left_open or place < len(inside) - 1
        found += _python_calls(body.strip()) if closed else ["is not closed by <|tool_call_end|>"]
    return SaidAndCalled(outside.strip(), tuple(found))


def _python_calls(text: str) -> list[Found]:
    try:
        parsed = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        return [f"is no list of calls in Python ({str(error)[:80]})"]
    if not isinstance(parsed, ast.List) or not parsed.elts:
        return ["is no list of calls in Python"]
    found: list[Found] = []
    for element in parsed.elts:
        try:
            found.append(_python_call(element))
        except MalformedCall as error:
            found.append(str(error))
    return found


def _python_call(node: ast.expr) -> ToolCall:
    if not isinstance(node, ast.Call):
        raise MalformedCall("is no call in Python")
    if node.args or any(one.arg is None for one in node.keywords):
        raise MalformedCall("gives arguments without their names")
    name = ast.unparse(node.func)
    arguments = once_each([(str(one.arg), python_value(one.value)) for one in node.keywords])
    require_plain(name)
    return ToolCall(name, arguments)


LLAMA_JSON = CallFormat("llama_json", '{"name": "NAME", "parameters": {"KEY": VALUE}}', _llama_json)
PYTHONIC = CallFormat("pythonic", '[NAME(KEY="VALUE")]', _pythonic)
PYTHONIC_TAGGED = CallFormat(
    "pythonic_tagged", '<|tool_call_start|>[NAME(KEY="VALUE")]<|tool_call_end|>', _pythonic_tagged
)
