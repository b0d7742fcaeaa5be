"""Control tokens written in a row's own text: kept apart from those that the template writes, and encoded as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

from droid_tune.data.rendering.templates.chat_template import ChatTemplate

#: Characters that nobody writes: each stands for a control token on its way through the template.
_PLANES = (0x100000, 0xF0000)
_PRIVATE = {plane: re.compile(f"[{chr(plane)}-{chr(plane + 0xFFFD)}]") for plane in _PLANES}
#: Parts of a turn that are the template's words, not text.
_NOT_TEXT = ("role", "type", "id", "tool_call_id")


@dataclass(frozen=True)
class Guard:
    """Stands in for the control tokens of one row's text, and for all marks of the template in what a tool said."""

    template: ChatTemplate
    plane: int

    @staticmethod
    def over(template: ChatTemplate, *values: Any) -> Guard:
        """A guard whose characters none of the values holds."""
        found = [plane for plane in _PLANES if not any(_holds(_PRIVATE[plane], value) for value in values)]
        return Guard(template, found[0] if found else _PLANES[0])

    def hide(self, value: Any, *, told: bool = False) -> Any:
        """Text, turns or tools with a private character in the place of each control token; `told` by a tool: of each
        mark."""
        if isinstance(value, str):
            pattern = self.template.mark_pattern if told else self.template.control_pattern
            return pattern.sub(self._hidden, value)
        if isinstance(value, list):
            return [self.hide(item, told=told) for item in cast("list[Any]", value)]
        if isinstance(value, dict):
            items = cast("dict[str, Any]", value)
            told = told or items.get("role") == "tool"
            return {
                key: item if key in _NOT_TEXT else self.hide(item, told=told) for key, item in items.items()
            }
        return value

    def _hidden(self, found: re.Match[str]) -> str:
        return chr(self.plane + self.template.marks.index(found.group()))

    def show(self, text: str, marks: list[int]) -> tuple[str, list[int], list[tuple[int, int]]]:
        """`(the text as it stands, the marks moved along, where control tokens are only text)`."""
        pieces: list[str] = []
        moved = list(marks)
        literal: list[tuple[int, int]] = []
        length = done = 0
        for found in _PRIVATE[self.plane].finditer(text):
            number = ord(found.group()) - self.plane
            if number >= len(self.template.marks):
                continue
            control = self.template.marks[number]
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
