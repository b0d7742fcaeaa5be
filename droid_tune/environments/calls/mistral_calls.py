"""Mistral's `[TOOL_CALLS]`: a list in JSON behind the mark, or `NAME[ARGS]{...}`, one or more."""

from __future__ import annotations

import re

from droid_tune.environments.calls.argument_values import MalformedCall, json_at, json_of
from droid_tune.environments.calls.base import CallFormat, Found, SaidAndCalled, Tools, call_of

_MARK = "[TOOL_CALLS]"
#: newer models write an id between the name and its arguments
_HEADER = re.compile(r"\s*([\w.-]+)\s*(?:\[CALL_ID\]\s*\w+\s*)?\[ARGS\]\s*")


def _mistral(text: str, _: Tools) -> SaidAndCalled:
    said, mark, behind = text.partition(_MARK)
    if not mark:
        return SaidAndCalled(text.strip())
    try:
        found = _listed(behind) if behind.lstrip().startswith("[") else _headed(behind)
    except MalformedCall as error:
        found = [str(error)]
    return SaidAndCalled(said.strip(), tuple(found))


def _listed(text: str) -> list[Found]:
    value = json_of(text)
    if not isinstance(value, list) or not value:
        raise MalformedCall("is no list of calls")
    found: list[Found] = []
    for one in value:  # pyright: ignore[reportUnknownVariableType]
        try:
            found.append(call_of(one))  # pyright: ignore[reportUnknownArgumentType]
        except MalformedCall as error:
            found.append(str(error))
    return found


def _headed(text: str) -> list[Found]:
    found: list[Found] = []
    for part in text.split(_MARK):
        at = 0
        while part[at:].strip():
            header = _HEADER.match(part, at)
            if header is None:
                raise MalformedCall("has no [ARGS] behind its name")
            arguments, at = json_at(part, header.end())
            found.append(call_of({"name": header[1], "arguments": arguments}))
    return found or ["is empty"]


MISTRAL = CallFormat("mistral", '[TOOL_CALLS][{"name": "NAME", "arguments": {"KEY": VALUE}}]', _mistral)
MISTRAL_ARGS = CallFormat("mistral_args", '[TOOL_CALLS]NAME[ARGS]{"KEY": VALUE}', _mistral)
