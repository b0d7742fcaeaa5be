"""What a format of calls is: a reader of one answer's text that is strict, and says what is wrong with a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from droid_tune.environments.calls.argument_values import MalformedCall, require_plain
from droid_tune.environments.episode import ToolCall

Tools = Sequence[Mapping[str, Any]]
#: a call, or one sentence about what was meant to be one
Found = ToolCall | str
#: what stands between a pair of marks, and the tools -> its calls
ReadBody = Callable[[str, Tools], ToolCall | list[ToolCall]]


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
    require_plain([name, arguments])
    return ToolCall(name, cast("dict[str, Any]", arguments))


def each(texts: Sequence[str], tools: Tools, read: ReadBody) -> list[Found]:
    """`read` of each text; a sentence for those that it refuses."""
    found: list[Found] = []
    for text in texts:
        try:
            got = read(text, tools)
        except MalformedCall as error:
            found.append(str(error))
        else:
            found += got if isinstance(got, list) else [got]
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


def tagged(name: str, start: str, end: str, form: str, read: ReadBody) -> CallFormat:
    """A format whose calls stand between two marks; `read` gives what stands between one pair."""

    def read_all(text: str, tools: Tools) -> SaidAndCalled:
        outside, inside, left_open = blocks(text, start, end)
        found = each(inside[:-1] if left_open else inside, tools, read)
        return SaidAndCalled(outside.strip(), (*found, *([f"is not closed by {end}"] if left_open else ())))

    return CallFormat(name, form, read_all)


def in_sections(
    name: str, section: tuple[str, str], one: tuple[str, str], form: str, read: ReadBody
) -> CallFormat:
    """A format whose calls stand between two marks each, all of them between two marks of a section."""

    def read_all(text: str, tools: Tools) -> SaidAndCalled:
        said, bodies, open_section = blocks(text, *section)
        if one[0] in said:
            return SaidAndCalled("", (f"stands outside of {section[0]}",))
        found: list[Found] = []
        for place, body in enumerate(bodies):
            between, inside, open_call = blocks(body, *one)
            found += each(inside[:-1] if open_call else inside, tools, read)
            cut = open_section and place == len(bodies) - 1
            # the closing mark of the section is the turn's end for some templates, which is not part of the text
            if open_call or (cut and not inside):
                found.append(f"is not closed by {one[1]}")
            elif between.strip() or not inside:
                found.append(f"has text outside of {one[0]}" if between.strip() else "is empty")
        return SaidAndCalled(said.strip(), tuple(found))

    return CallFormat(name, form, read_all)
