"""What a format of calls is: a reader of one answer's text that is strict, and says what is wrong with a call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from droid_tune.environments.episode import ToolCall

Tools = Sequence[Mapping[str, Any]]
#: a call, or one sentence about what was meant to be one
Found = ToolCall | str


class MalformedCall(Exception):  # noqa: N818 - it says what was read
    """What was meant to be a call cannot be read as one; the message is a clause after "the call"."""


@dataclass(frozen=True)
class SaidAndCalled:
    """An answer, taken apart: what is said beside the calls, and these in order."""

    content: str
    found: tuple[Found, ...] = ()


@dataclass(frozen=True)
class CallFormat:
    """One way of writing calls. `form` shows a model how, in the sentence about a malformed one."""

    name: str
    form: str
    read: Callable[[str, Tools], SaidAndCalled]


def call_of(value: object, arguments_key: str = "arguments") -> ToolCall:
    """An object with `name` and arguments as a call. Raises MalformedCall."""
    if not isinstance(value, dict):
        raise MalformedCall("is no JSON object")
    given = cast("dict[str, Any]", value)
    name, arguments = given.get("name"), given.get(arguments_key)
    if not isinstance(name, str) or not name:
        raise MalformedCall("has no `name`")
    if arguments_key not in given:
        raise MalformedCall(f"has no `{arguments_key}`")
    if not isinstance(arguments, dict):
        raise MalformedCall(f"has `{arguments_key}` that are no JSON object")
    return ToolCall(name, cast("dict[str, Any]", arguments))


def json_of(text: str) -> Any:
    """Strict JSON: one value, nothing behind it, no NaN. Raises MalformedCall."""
    value, end = json_at(text.strip(), 0)
    if text.strip()[end:].strip():
        raise MalformedCall("has text behind its JSON")
    return value


def json_at(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends. Raises MalformedCall."""
    try:
        return _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise MalformedCall(f"is no JSON ({why[:80]})") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def each(texts: Sequence[str], read: Callable[[str], ToolCall]) -> list[Found]:
    """`read` of each text; a sentence for those that it refuses."""
    found: list[Found] = []
    for text in texts:
        try:
            found.append(read(text))
        except MalformedCall as error:
            found.append(str(error))
    return found


def blocks(text: str, start: str, end: str) -> tuple[str, list[str], bool]:
    """`(what stands outside, what stands between each pair of marks, whether the last one is left open)`."""
    outside, inside = [], []
    rest = text
    while (at := rest.find(start)) >= 0:
        outside.append(rest[:at])
        body, closed, behind = rest[at + len(start) :].partition(end)
        inside.append(body)
        if not closed:
            return "".join(outside), inside, True
        rest = behind
    return "".join([*outside, rest]), inside, False
