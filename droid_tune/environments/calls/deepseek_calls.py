"""DeepSeek's calls: V3 and R1 write `function`, a mark, the name and a fenced JSON; V3.1 the name, a mark and JSON."""

from __future__ import annotations

import re

from droid_tune.environments.calls.base import (
    CallFormat,
    MalformedCall,
    SaidAndCalled,
    Tools,
    blocks,
    call_of,
    each,
    json_of,
)
from droid_tune.environments.episode import ToolCall

_ALL = ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>")
_ONE = ("<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>")
_BETWEEN = "<｜tool▁sep｜>"
_FENCED = re.compile(r"\s*([^\s`]+)\s*```json\s*(.*?)\s*```\s*", re.DOTALL)


def _deepseek(text: str, _: Tools) -> SaidAndCalled:
    said, sections, open_section = blocks(text, *_ALL)
    if not sections:
        return SaidAndCalled(text.strip())
    inside, open_call = blocks(sections[0], *_ONE)[1:]
    whole = inside[:-1] if open_call else inside
    found = each(whole, _call)
    # the closing mark of the section is the turn's end for some templates, which is not part of the text
    if open_call or (open_section and not inside):
        found.append(f"is not closed by {_ONE[1]}")
    elif not inside:
        found.append("is empty")
    return SaidAndCalled(said.strip(), tuple(found))


def _call(body: str) -> ToolCall:
    before, mark, behind = body.partition(_BETWEEN)
    if not mark:
        raise MalformedCall(f"has no {_BETWEEN}")
    fenced = _FENCED.fullmatch(behind) if before.strip() == "function" else None
    name, arguments = (fenced[1], fenced[2]) if fenced else (before.strip(), behind)
    return call_of({"name": name, "arguments": json_of(arguments)})


DEEPSEEK = CallFormat(
    "deepseek",
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\n{"KEY": VALUE}\n```'
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    _deepseek,
)
DEEPSEEK_V31 = CallFormat(
    "deepseek_v31",
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{"KEY": VALUE}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    _deepseek,
)
