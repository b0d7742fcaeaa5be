r"""Several texts in one field: commas between them, quotes around one that holds a comma, a quote or a line break.

`</a>, "one, two", "\n\n"` is three texts. Inside quotes `\n`, `\t`, `\"` and `\\` mean what they mean in JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_PART = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")\s*|([^,]*))(?:,|$)', re.DOTALL)


def join_words(words: Iterable[str]) -> str:
    """`one, two`; a text that holds a comma, a quote or a line end is quoted."""
    return ", ".join(_quoted(word) for word in words)


def split_words(text: str) -> list[str]:
    """The texts of a field. Nothing between two commas is no text; an empty one is written `""`."""
    found: list[str] = []
    for match in _PART.finditer(text):
        if match[1]:
            found.append(_unquoted(match[1]))
        elif match[2].strip():
            found.append(match[2].strip())
    return found


def _quoted(word: str) -> str:
    """In quotes where it could not be read back without."""
    plain = bool(word) and word == word.strip() and word.isprintable() and not set(word) & {",", '"'}
    return word if plain else json.dumps(word, ensure_ascii=not word.isprintable())


def _unquoted(part: str) -> str:
    try:
        return str(json.loads(part, strict=False))
    except ValueError:  # a backslash that means nothing in JSON stays one
        return part[1:-1]
