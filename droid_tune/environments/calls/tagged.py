"""Calls in JSON between marks of their own: Hermes and Qwen; Kimi, whose calls stand in a section."""

from __future__ import annotations

import re

from droid_tune.environments.calls.argument_values import MalformedCall, json_of
from droid_tune.environments.calls.base import Tools, call_of, in_sections, tagged
from droid_tune.environments.episode import ToolCall

_HEADER = re.compile(
    r"\s*(?:functions\.)?([^\s<>]+?)(?::\d+)?\s*<\|tool_call_argument_begin\|>(.*)", re.DOTALL
)


def _hermes(body: str, _: Tools) -> ToolCall:
    return call_of(json_of(body))


def _kimi(body: str, _: Tools) -> ToolCall:
    found = _HEADER.fullmatch(body)
    if found is None:
        raise MalformedCall("has no <|tool_call_argument_begin|> behind its name")
    return call_of({"name": found[1], "arguments": json_of(found[2])})


HERMES_FORM = '<tool_call>\n{"name": "NAME", "arguments": {"KEY": VALUE}}\n</tool_call>'
HERMES = tagged("hermes", "<tool_call>", "</tool_call>", HERMES_FORM, _hermes)
KIMI = in_sections(
    "kimi_k2",
    ("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
    ("<|tool_call_begin|>", "<|tool_call_end|>"),
    '<|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>{"KEY": VALUE}'
    "<|tool_call_end|><|tool_calls_section_end|>",
    _kimi,
)
