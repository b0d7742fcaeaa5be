"""What a model said, read: its thoughts apart, the calls that it makes, and what is wrong with those that are none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from droid_tune.data.rendering.thinking import TAGS
from droid_tune.environments.calls.base import CallFormat
from droid_tune.environments.episode import ToolCall, Turn

_MARKS = re.compile("|".join(map(re.escape, (*TAGS, *TAGS.values()))))


@dataclass(frozen=True)
class ReadTurn:
    """An assistant's turn; `order` holds its calls and, in their places, the clauses about malformed ones."""

    turn: Turn
    order: tuple[ToolCall | str, ...] = ()

    @property
    def faults(self) -> tuple[str, ...]:
        """A clause for each malformed call."""
        return tuple(one for one in self.order if isinstance(one, str))


class TurnReader:
    """Reads turns of one model: `form` is how its template writes calls. A turn's text begins with the mark of a thought
    where its prompt left one open."""

    def __init__(self, form: CallFormat, tools: Sequence[Mapping[str, Any]]) -> None:
        self.form, self._tools = form, tools

    def read(self, text: str) -> ReadTurn:
        """Calls inside thoughts are none: they are only thought of, wherever in the turn."""
        thoughts, said = self._apart(text)
        if not self._tools:
            return ReadTurn(Turn("assistant", said.strip(), thinking=thoughts))
        got = self.form.read(said, self._tools)
        calls = tuple(one for one in got.found if isinstance(one, ToolCall))
        return ReadTurn(Turn("assistant", got.content, calls, thinking=thoughts), got.found)

    def _apart(self, text: str) -> tuple[str, str]:
        """`(thoughts, what is said)`. A thought that is never closed is all of the rest; one that is closed without having
        been opened is all before it. Marks inside of a call are its argument's."""
        thoughts: list[str] = []
        said, at = text, 0
        while found := _MARKS.search(said, at):
            start, end = found.span()
            if self._calls_in(said[:start]):
                at = end
            elif found.group() in TAGS:
                inner, _, behind = said[end:].partition(TAGS[found.group()])
                thoughts.append(inner)
                said, at = said[:start] + (behind.lstrip() if not said[:start].strip() else behind), start
            else:
                thoughts.append(said[:start])
                said, at = said[end:].lstrip(), 0
        kept = (one.strip("\n") for one in thoughts)
        return "\n".join(one for one in kept if one.strip()), said

    def _calls_in(self, before: str) -> bool:
        """Whether a call is begun in a text and not ended there."""
        found = self.form.read(before, self._tools).found if self._tools else ()
        return bool(found) and isinstance(found[-1], str)
