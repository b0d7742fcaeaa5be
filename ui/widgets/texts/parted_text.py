"""What a model wrote, its thoughts apart from what it says."""

from __future__ import annotations

from dataclasses import dataclass

from droid_tune.data.rendering.thinking import TAGS, split_thoughts


@dataclass(frozen=True)
class Parted:
    """Thoughts (empty where there are none) and what is said after them."""

    thoughts: str
    said: str


def parted(text: str) -> Parted:
    """Thoughts that never end are all thoughts."""
    thoughts, said = split_thoughts({"role": "assistant", "content": text})
    if thoughts is None and text.lstrip().startswith(tuple(TAGS)):
        return Parted(text.strip(), "")
    return Parted(thoughts or "", said if thoughts is not None else text)
