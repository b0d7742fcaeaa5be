"""Calls between an opening and a closing mark, one each: Hermes and Qwen, Qwen3-Coder, and what mlx-lm reads besides."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from droid_tune.environments.calls.base import (
    CallFormat,
    Found,
    MalformedCall,
    SaidAndCalled,
    Tools,
    blocks,
    call_of,
    json_of,
)
from droid_tune.environments.episode import ToolCall

_FUNCTION = re.compile(r"\s*<function=([^\s<>]+)>(.*)</function>\s*", re.DOTALL)
_PARAMETER = re.compile(r"\s*<parameter=([^\s<>]+)>(.*?)</parameter>\s*", re.DOTALL)
_LITERALS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}


def tagged(
    name: str, start: str, end: str, form: str, read: Callable[[str, Tools], ToolCall | list[ToolCall]]
) -> CallFormat:
    """A format whose calls stand between two marks; `read` gives what stands between one pair."""

    def read_all(text: str, tools: Tools) -> SaidAndCalled:
        outside, inside, left_open = blocks(text, start, end)
        found: list[Found] = []
        for place, body in enumerate(inside):
            if left_open and place == len(inside) - 1:
                found.append(f"is not closed by {end}")
                continue
            found += _read_one(body, tools, read)
        return SaidAndCalled(outside.strip(), tuple(found))

    return CallFormat(name, form, read_all)


def _read_one(
    body: str, tools: Tools, read: Callable[[str, Tools], ToolCall | list[ToolCall]]
) -> list[Found]:
    try:
        got = read(body, tools)
    except MalformedCall as error:
        return [str(error)]
    return [*got] if isinstance(got, list) else [got]


def _hermes(body: str, _: Tools) -> ToolCall:
    return call_of(json_of(body))


def _qwen3_coder(body: str, tools: Tools) -> ToolCall:
    """`<function=NAME><parameter=KEY>\\nVALUE\\n</parameter></function>`; a value's type is the schema's."""
    whole = _FUNCTION.fullmatch(body)
    if whole is None:
        raise MalformedCall("is no <function=NAME>...</function>")
    name, rest = whole.groups()
    types = parameter_schemas(tools, name)
    arguments: dict[str, Any] = {}
    at = 0
    while at < len(rest):
        found = _PARAMETER.match(rest, at)
        if found is None:
            if rest[at:].strip():
                raise MalformedCall("has text that is no <parameter=NAME>...</parameter>")
            break
        value = found[2].removeprefix("\n").removesuffix("\n")
        arguments[found[1]] = as_typed(value, types.get(found[1], {}))
        at = found.end()
    return ToolCall(name, arguments)


def parameter_schemas(tools: Tools, name: str) -> Mapping[str, Any]:
    """The schemas of a tool's parameters, none for an unknown tool."""
    for tool in tools:
        if tool["function"]["name"] == name:
            return tool["function"].get("parameters", {}).get("properties", {})
    return {}


def as_typed(text: str, schema: Mapping[str, Any]) -> Any:
    """A value that is written without quotes, as its schema has it; text that does not fit stays text."""
    wanted = schema.get("type")
    if wanted == "string":
        return text
    if text in _LITERALS:
        return _LITERALS[text]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text) if wanted in ("object", "array") else text
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _of_mlx_lm(module: str) -> Callable[[str, Tools], ToolCall | list[ToolCall]]:
    """mlx-lm's own reader of a format, whatever it raises taken for a malformed call."""

    def read(body: str, tools: Tools) -> ToolCall | list[ToolCall]:
        parser: Any = importlib.import_module(f"mlx_lm.tool_parsers.{module}")
        try:
            got: Any = parser.parse_tool_call(body, list(tools))
        except Exception as error:
            raise MalformedCall(f"cannot be read ({str(error)[:80] or type(error).__name__})") from None
        made = [call_of(one) for one in (got if isinstance(got, list) else [got])]
        return made if len(made) != 1 else made[0]

    return read


HERMES_FORM = '<tool_call>\n{"name": "NAME", "arguments": {"KEY": VALUE}}\n</tool_call>'
HERMES = tagged("hermes", "<tool_call>", "</tool_call>", HERMES_FORM, _hermes)
QWEN3_CODER = tagged(
    "qwen3_coder",
    "<tool_call>",
    "</tool_call>",
    "<tool_call>\n<function=NAME>\n<parameter=KEY>\nVALUE\n</parameter>\n</function>\n</tool_call>",
    _qwen3_coder,
)
GEMMA = tagged(
    "function_gemma",
    "<start_function_call>",
    "<end_function_call>",
    "<start_function_call>call:NAME{KEY:<escape>VALUE<escape>}<end_function_call>",
    _of_mlx_lm("function_gemma"),
)
GEMMA4 = tagged(
    "gemma4",
    "<|tool_call>",
    "<tool_call|>",
    '<|tool_call>call:NAME{KEY:<|"|>VALUE<|"|>}<tool_call|>',
    _of_mlx_lm("gemma4"),
)
GLM = tagged(
    "glm47",
    "<tool_call>",
    "</tool_call>",
    "<tool_call>NAME\n<arg_key>KEY</arg_key>\n<arg_value>VALUE</arg_value>\n</tool_call>",
    _of_mlx_lm("glm47"),
)
KIMI = tagged(
    "kimi_k2",
    "<|tool_calls_section_begin|>",
    "<|tool_calls_section_end|>",
    '<|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>{"KEY": VALUE}'
    "<|tool_call_end|><|tool_calls_section_end|>",
    _of_mlx_lm("kimi_k2"),
)
LONGCAT = tagged(
    "longcat",
    "<longcat_tool_call>",
    "</longcat_tool_call>",
    "<longcat_tool_call>NAME\n<longcat_arg_key>KEY</longcat_arg_key>\n"
    "<longcat_arg_value>VALUE</longcat_arg_value>\n</longcat_tool_call>",
    _of_mlx_lm("longcat"),
)
MINIMAX = tagged(
    "minimax_m2",
    "<minimax:tool_call>",
    "</minimax:tool_call>",
    '<minimax:tool_call>\n<invoke name="NAME">\n<parameter name="KEY">VALUE</parameter>\n</invoke>\n</minimax:tool_call>',
    _of_mlx_lm("minimax_m2"),
)
