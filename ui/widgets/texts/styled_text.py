"""Plain text as rich text: what was looked for stands out in it, and nothing in it is taken for markup."""

from __future__ import annotations

import html
import re
from itertools import pairwise

from droid_tune import words
from ui.theme import Tokens

#: where a part begins and ends, and its style
Styled = tuple[int, int, str]


def with_sought(text: str, sought: str, tokens: Tokens) -> str:
    """Rich text in which every place of what was looked for stands out."""
    return styled(text, sought_places(text, sought, tokens))


def sought_places(text: str, sought: str, tokens: Tokens) -> list[Styled]:
    """Every place of what was looked for, in capitals or not; none where nothing was."""
    if not sought:
        return []
    found = re.finditer(re.escape(sought), text, re.IGNORECASE)
    return [(*one.span(), f"background-color:{tokens.warning_soft}") for one in found]


def styled(text: str, parts: list[Styled]) -> str:
    """The text with (start, end, style) of parts, which may lie over each other: the later one's colours are above."""
    cuts = sorted({0, len(text), *(end for start, stop, _ in parts for end in (start, stop))})
    pieces: list[str] = []
    for start, end in pairwise(cuts):
        style = "; ".join(one for first, last, one in parts if first <= start and end <= last)
        shown = escaped(text[start:end])
        pieces.append(f'<span style="{style}">{shown}</span>' if style else shown)
    return "".join(pieces)


def escaped(text: str) -> str:
    """The text as it stands, whatever it holds, with its lines and spaces."""
    shown = html.escape(words.literal(text))
    return shown.replace("\n", "<br>").replace("  ", "&nbsp; ")
