"""Control tokens written in a row's own text: kept apart from those that the template writes, and encoded as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

#: Characters that nobody writes: each stands for a control token on its way through the template.
_PLANES = (0x100000, 0xF0000)
_PRIVATE = {plane: re.compile(f"[{chr(plane)}-{chr(plane + 0xFFFD)}]") for plane in _PLANES}
#: Parts of a turn that are the template's words, not text.
_NOT_TEXT = ("role", "type", "id", "tool_call_id")


@dataclass(frozen=True)
class Guard:
    """Stands in for the control tokens of one row's text."""

    pattern: re.Pattern[str]
    controls: list[str]
    plane: int

    @staticmethod
    def over(pattern: re.Pattern[str], controls: list[str], *values: Any) -> Guard:
        """A guard whose characters none of the values holds."""
        found = [plane for plane in _PLANES if not any(_holds(_PRIVATE[plane], value) for value in values)]
        return Guard(pattern, controls, found[0] if found else _PLANES[0])

    def hide(self, value: Any) -> Any:
        """Text, turns or tools with a private character in the place of each control token."""
        if isinstance(value, str):
            return self.pattern.sub(self._hidden, value)
        if isinstance(value, list):
            return [self.hide(item) for item in cast("list[Any]", value)]
        if isinstance(value, dict):
            items = cast("dict[str, Any]", value).items()
            return {key: item if key in _NOT_TEXT else self.hide(item) for key, item in items}
        return value

    def _hidden(self, found: re.Match[str]) -> str:
        return chr(self.plane + self.controls.index(found.group()))

    def show(self, text: str, marks: list[int]) -> tuple[str, list[int], list[tuple[int, int]]]:
        """`(the text as it stands, the marks moved along, where control tokens are only text)`."""
        pieces: list[str] = []
        moved = list(marks)
        literal: list[tuple[int, int]] = []
        length = done = 0
        for found in _PRIVATE[self.plane].finditer(text):
            number = ord(found.group()) - self.plane
            if number >= len(self.controls):
                continue
            control = self.controls[number]
            pieces += [text[done : found.start()], control]
            length += found.start() - done
            literal.append((length, length + len(control)))
            length += len(control)
            done = found.end()
            moved = [
                new + len(control) - 1 if old >= done else new for old, new in zip(marks, moved, strict=True)
            ]
        return "".join([*pieces, text[done:]]), moved, literal


def _holds(pattern: re.Pattern[str], value: Any) -> bool:
    if isinstance(value, str):
        return pattern.search(value) is not None
    if isinstance(value, list):
        return any(_holds(pattern, item) for item in cast("list[Any]", value))
    if isinstance(value, dict):
        return any(_holds(pattern, item) for item in cast("dict[str, Any]", value).values())
    return False
