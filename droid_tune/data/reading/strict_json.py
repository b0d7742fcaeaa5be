"""Strict JSON (RFC 8259) for one row: Python's parser and places, plus what it lets through.

Python's `json` accepts NaN and Infinity, a key given twice, half of a surrogate pair, numbers beyond any float, and
falls over deep nesting. Each is refused here by name, with the column where it stands. Slow and exact: the fast
reader comes here only with the rows it is not sure of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from droid_tune.data.issues import RowFault
from droid_tune.data.reasons import MAX_DEPTH, MAX_INTEGER_DIGITS, RowReason

Path = tuple[str | int, ...]

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\Z")
_BOM = "\ufeff"


class _Refused(Exception):  # noqa: N818
    """A policy violation seen by a hook; the place is found afterwards."""

    def __init__(self, reason: RowReason) -> None:
        super().__init__(reason)
        self.reason: RowReason = reason


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise _Refused("duplicate_key")
    return row


def _no_constant(_name: str) -> Any:
    raise _Refused("invalid_json")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _Refused("number_too_large")
    return number


def _bounded(text: str) -> int:
    if len(text.lstrip("-")) >= MAX_INTEGER_DIGITS:
        _finite(text)
    return int(text)


DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_bounded
)


def parse(text: str) -> Any:
    """The value of one row's text. Raises `RowFault` with reason and place (`column` counts from the start of `text`)."""
    check_depth(text)
    if text.startswith(_BOM):
        raise RowFault("invalid_json", "A byte order mark stands inside the file; remove it.", column=1)
    try:
        value = DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _syntax_fault(error) from None
    except _Refused as refused:
        raise _policy_fault(text, refused.reason) from None
    if _SURROGATE_ESCAPE.search(text):
        check_surrogates(text)
    return value


def _syntax_fault(error: json.JSONDecodeError) -> RowFault:
    saying = error.msg[:1].lower() + error.msg[1:]
    return RowFault(
        "invalid_json",
        f"This is not valid JSON: {saying} at {{place}}; correct the text there.",
        column=error.pos + 1,
    )


def check_depth(text: str) -> None:
    """Refuse a row nested deeper than `MAX_DEPTH` before any parser descends into it."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        depth += (token in "{[") - (token in "}]")
        if depth > MAX_DEPTH:
            raise RowFault(
                "too_deep",
                f"The row is nested more than {MAX_DEPTH} levels deep at {{place}}; flatten it.",
                column=match.start() + 1,
            )


def check_surrogates(text: str) -> None:
    """Refuse half of a surrogate pair, as \\ud800 alone: no text encoding can hold it."""
    for match in _TOKEN.finditer(text):
        token = match.group()
        if not token.startswith('"') or not _SURROGATE_ESCAPE.search(token):
            continue
        position = _lone_surrogate(token)
        if position is not None:
            column = match.start() + position + 1
            raise RowFault(
                "invalid_unicode",
                "The escape at {place} is half of a surrogate pair and no character; write the whole pair.",
                column=column,
            )


_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


def _lone_surrogate(token: str) -> int | None:
    """Offset of the first surrogate escape in a string token that has no partner."""
    waiting: re.Match[str] | None = None
    for match in _ESCAPE.finditer(token):
        unit = int(match.group(1), 16) if match.group(1) else 0
        if waiting is not None:
            if 0xDC00 <= unit <= 0xDFFF and match.start() == waiting.end():
                waiting = None
                continue
            return waiting.start()
        if 0xD800 <= unit <= 0xDBFF:
            waiting = match
        elif 0xDC00 <= unit <= 0xDFFF:
            return match.start()
    return waiting.start() if waiting else None


def _policy_fault(text: str, reason: RowReason) -> RowFault:
    for path, start, token, is_key in places(text):
        column = start + 1
        if reason == "duplicate_key" and is_key:
            name = str(path[-1])
            return RowFault(
                "duplicate_key",
                f"The key `{_short(name)}` is given twice in one object, again at {{place}}; keep one of them.",
                field=dotted(path),
                column=column,
            )
        if reason == "invalid_json" and token in ("NaN", "Infinity", "-Infinity"):
            return RowFault(
                "invalid_json",
                f"{token} at {{place}} is not JSON; write null or a number.",
                field=dotted(path),
                column=column,
            )
        if reason == "number_too_large" and _NUMBER.match(token) and not is_key and _infinite(token):
            return RowFault(
                "number_too_large",
                f"The number {_short(token)} at {{place}} is beyond what a 64-bit float holds; write it as text.",
                field=dotted(path),
                column=column,
            )
    return RowFault(reason, "The row breaks a rule of strict JSON; correct it.")  # pragma: no cover


def _infinite(token: str) -> bool:
    return abs(float(token)) == float("inf")


def places(text: str) -> Iterator[tuple[Path, int, str, bool]]:
    """Walk the values of a JSON text: `(path, offset, token, is_repeated_key)`.

    A key that was already given in its object is yielded with `is_repeated_key`; every value (scalar or opening
    bracket) is yielded without. The text must be sound up to the place that is looked for.
    """
    stack: list[_Level] = []
    key: str | int | None = None
    for match in _TOKEN.finditer(text):
        token = match.group()
        level = stack[-1] if stack else None
        if token in "}]":
            if stack:
                stack.pop()
        elif token == ",":
            if level is not None:
                level.next_item()
        elif token == ":":
            if level is not None:
                level.expects_key = False
        elif level is not None and level.expects_key:
            key = _string(token)
            level.key = key
            if key in level.seen:
                yield _path(stack), match.start(), token, True
            level.seen.add(key)
        else:
            yield _path(stack), match.start(), token, False
            if token in "{[":
                stack.append(_Level(token == "{"))


class _Level:
    """One open object or array while walking."""

    def __init__(self, is_object: bool) -> None:
        self.is_object = is_object
        self.expects_key = is_object
        self.key: str | int = "" if is_object else 0
        self.seen: set[str | int] = set()

    def next_item(self) -> None:
        if self.is_object:
            self.expects_key = True
        elif isinstance(self.key, int):
            self.key += 1


def _path(stack: list[_Level]) -> Path:
    return tuple(level.key for level in stack)


def _string(token: str) -> str:
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        return token


def column_of(text: str, path: Path) -> int | None:
    """1-based column of the value at `path` in a sound JSON text, None when it is not there."""
    for found, start, _token, repeated in places(text):
        if found == path and not repeated:
            return start + 1
    return None


def dotted(path: Path) -> str:
    """`messages[1].role` for ("messages", 1, "role")."""
    said = ""
    for part in path:
        said += f"[{part}]" if isinstance(part, int) else f".{part}" if said else part
    return said


def _short(text: str, longest: int = 40) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
