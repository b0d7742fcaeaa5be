"""Gemma's calls: `call:NAME{KEY:VALUE}`, keys without quotes, texts between marks of the family's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from droid_tune.environments.calls.argument_values import MalformedCall, as_typed, once_each, require_plain
from droid_tune.environments.calls.base import ReadBody, Tools, tagged
from droid_tune.environments.episode import ToolCall

_HEAD = re.compile(r"\s*call:([\w.-]+)\s*(?=\{)")
_KEY = re.compile(r"\s*([^\s:,{}\[\]]+)\s*:\s*")
_BARE = re.compile(r"[^,{}\[\]]*")
_NEXT = re.compile(r"\s*([,}\]])\s*")


@dataclass
class _Reader:
    """Reads values one after the other; `mark` stands on both sides of a text."""

    text: str
    mark: str
    at: int = 0

    def value(self, depth: int = 0) -> Any:
        """The value that begins here. Raises MalformedCall."""
        if depth > 20:
            raise MalformedCall("is nested too deeply")
        if self.text.startswith(self.mark, self.at):
            return self._marked()
        opened = self.text[self.at : self.at + 1]
        if opened == "{":
            return once_each([*self._items("}", lambda: (self._key(), self.value(depth + 1)))])
        if opened == "[":
            return [*self._items("]", lambda: self.value(depth + 1))]
        found = _BARE.match(self.text, self.at)
        bare = found.group() if found else ""
        value = as_typed(bare, {})
        if isinstance(value, str):
            raise MalformedCall(f"has the value {bare[:40]!r}, which is no text between {self.mark}")
        self.at += len(bare)
        return value

    def _marked(self) -> str:
        inside, closed, _ = self.text[self.at + len(self.mark) :].partition(self.mark)
        if not closed:
            raise MalformedCall(f"has a text that is not closed by {self.mark}")
        self.at += len(inside) + 2 * len(self.mark)
        return inside

    def _key(self) -> str:
        if self.text.startswith(self.mark, self.at):
            key = self._marked()
            colon = re.compile(r"\s*:\s*").match(self.text, self.at)
        else:
            colon = _KEY.match(self.text, self.at)
            key = colon[1] if colon else ""
        if colon is None:
            raise MalformedCall("has no KEY:VALUE between its braces")
        self.at = colon.end()
        return key

    def _items(self, end: str, read: Any) -> Any:
        """What stands between two braces, with commas between."""
        empty = re.compile(rf".\s*\{end}").match(self.text, self.at)
        if empty:
            self.at = empty.end()
            return
        found: re.Match[str] | None = None
        self.at += 1
        while found is None or found[1] == ",":
            yield read()
            found = _NEXT.match(self.text, self.at)
            if found is None or found[1] not in (",", end):
                raise MalformedCall(f"is not closed by {end}")
            self.at = found.end()


def _calls(mark: str) -> ReadBody:
    def read(body: str, _: Tools) -> list[ToolCall]:
        reader, made = _Reader(body, mark), list[ToolCall]()
        while not made or body[reader.at :].strip():
            head = _HEAD.match(body, reader.at)
            if head is None:
                raise MalformedCall("has text behind its braces" if made else "is no call:NAME{KEY:VALUE}")
            reader.at = head.end()
            arguments = reader.value()
            require_plain(arguments)
            made.append(ToolCall(head[1], arguments))
        return made

    return read


GEMMA = tagged(
    "function_gemma",
    "<start_function_call>",
    "<end_function_call>",
    "<start_function_call>call:NAME{KEY:<escape>VALUE<escape>}<end_function_call>",
    _calls("<escape>"),
)
GEMMA4 = tagged(
    "gemma4",
    "<|tool_call>",
    "<tool_call|>",
    '<|tool_call>call:NAME{KEY:<|"|>VALUE<|"|>}<tool_call|>',
    _calls('<|"|>'),
)
