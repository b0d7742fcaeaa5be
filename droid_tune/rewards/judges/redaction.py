"""A key taken out of what a server says: whole, in pieces, masked or encoded."""

from __future__ import annotations

import base64
import re
from urllib.parse import quote

SHOWN = "(the key)"
#: so many letters of a key in a row are a piece of it
_PIECE = 8
_MASKED = re.compile(r"[*•…]|\.{3}|x{4,}", re.IGNORECASE)


def without_key(text: str, key: str) -> str:
    """The text with `(the key)` for each word that holds the key or a piece of it; a masked one counts too."""
    if not key:
        return text
    text = text.replace(key, SHOWN)
    pieces = pieces_of(key)
    return re.sub(r"\S+", lambda word: SHOWN if _is_of(word.group(), pieces, key) else word.group(), text)


def pieces_of(key: str) -> set[str]:
    """Every run of eight letters of the key and of its encodings."""
    encoded = [base64.b64encode(form.encode()).decode() for form in (key, f"Bearer {key}", f":{key}")]
    forms = [key, key[::-1], quote(key, safe=""), key.encode().hex(), *encoded]
    return {form[at : at + _PIECE] for form in forms for at in range(len(form) - _PIECE + 1)}


def _is_of(word: str, pieces: set[str], key: str) -> bool:
    if any(word[at : at + _PIECE] in pieces for at in range(len(word) - _PIECE + 1)):
        return True
    beginning = key[: max(5, len(key) // 8)]
    return len(key) >= _PIECE and beginning in word and _MASKED.search(word) is not None
