"""A row whose question is put otherwise: what a teacher reads in its place."""

from __future__ import annotations

from typing import Any, cast

from droid_tune.data.formats.base import Row
from droid_tune.data.formats.parts.messages import Message


def reworded(row: Row, text: str) -> Row:
    """The row with `text` in place of what is asked last; everything else stays as it is."""
    prompt = row.get("prompt")
    if not isinstance(prompt, list):
        return {**row, "prompt": text}
    turns: list[Any] = list(cast("list[Message]", prompt))
    asked = [place for place, turn in enumerate(turns) if turn.get("role") == "user"]
    place = asked[-1] if asked else len(turns) - 1
    turns[place] = {**turns[place], "content": text}
    return {**row, "prompt": turns}
