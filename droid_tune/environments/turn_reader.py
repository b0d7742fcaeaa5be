"""What a model said, read: its thoughts apart, the calls that it makes, and what is wrong with those that are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from droid_tune.data.rendering.thinking import TAGS, split_thoughts
from droid_tune.environments.calls.base import CallFormat
from droid_tune.environments.episode import ToolCall, Turn


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
    """Reads turns of one model: `form` is how its template writes calls, `opened` the mark of a thought that the
    prompt leaves open, empty where it leaves none."""

    def __init__(self, form: CallFormat, tools: Sequence[Mapping[str, Any]], opened: str = "") -> None:
        self.form, self.opened, self._tools = form, opened, tools

    def read(self, text: str) -> ReadTurn:
        """Calls inside thoughts are none: they are only thought of."""
        whole = self.opened + text
        opener = next((one for one in TAGS if whole.lstrip().startswith(one)), "")
        if opener and TAGS[opener] not in whole:  # cut in the middle of its thoughts
            return ReadTurn(Turn("assistant", "", thinking=whole.lstrip().removeprefix(opener).strip()))
        thoughts, said = split_thoughts({"content": whole})
        if not self._tools:
            return ReadTurn(Turn("assistant", said.strip(), thinking=thoughts or ""))
        got = self.form.read(said, self._tools)
        calls = tuple(one for one in got.found if isinstance(one, ToolCall))
        return ReadTurn(Turn("assistant", got.content, calls, thinking=thoughts or ""), got.found)
