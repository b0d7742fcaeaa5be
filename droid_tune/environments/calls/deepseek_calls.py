"""DeepSeek's calls: V3 and R1 write `function`, a mark, the name and a fenced JSON; V3.1 the name, a mark and JSON."""

from __future__ import annotations

import re

from droid_tune.environments.calls.argument_values import MalformedCall, json_of
from droid_tune.environments.calls.base import Tools, call_of, in_sections
from droid_tune.environments.episode import ToolCall

_ALL = ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>")
_ONE = ("<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>")
_BETWEEN = "<｜tool▁sep｜>"
_FENCED = re.compile(r"\s*([^\s`]+)\s*```json\s*(.*?)\s*```\s*", re.DOTALL)


def _call(body: str, _: Tools) -> ToolCall:
    before, mark, behind = body.partition(_BETWEEN)
    if not mark:
        raise MalformedCall(f"has no {_BETWEEN}")
    fenced = _FENCED.fullmatch(behind) if before.strip() == "function" else None
    name, arguments = (fenced[1], fenced[2]) if fenced else (before.strip(), behind)
    return call_of({"name": name, "arguments": json_of(arguments)})


DEEPSEEK = in_sections(
    "deepseek",
    _ALL,
    _ONE,
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\n{"KEY": VALUE}\n```'
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    _call,
)
DEEPSEEK_V31 = in_sections(
    "deepseek_v31",
    _ALL,
    _ONE,
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{"KEY": VALUE}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    _call,
)
