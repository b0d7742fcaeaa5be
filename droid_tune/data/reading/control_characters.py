"""Characters that a terminal or a text widget obeys instead of showing: kept in the data, but said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

# C0 without tab, line feed and carriage return; DEL; C1 without NEL (which is text); bidi embeddings and isolates.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]")
_ESCAPED = re.compile(rb"\\(?:[bf]|u(?:00[01789]|20[26]))")
_RAW = (
    re.compile(rb"\xc2[\x80-\x9f]"),
    re.compile(rb"\xe2\x80[\xaa-\xae]"),
    re.compile(rb"\xe2\x81[\xa6-\xa9]"),
)
_BOM_BYTES = b"\xef\xbb\xbf"
_BOM_ESCAPE = re.compile(rb"\\u[fF][eE][fF][fF]")
BOM = "\ufeff"


def may_hold_controls(raw: bytes) -> bool:
    """A quick look at bytes (a row or a whole block): False means there is surely nothing to say about them."""
    if b"\\" in raw and (_ESCAPED.search(raw) or _BOM_ESCAPE.search(raw)):
        return True
    if b"\x7f" in raw:
        return True
    return not raw.isascii() and (_BOM_BYTES in raw or any(pattern.search(raw) for pattern in _RAW))


def texts_of(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Every string in a value with the dotted name of its place; keys count as text of their object."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield field, key
            yield from texts_of(item, f"{field}.{key}" if field else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from texts_of(item, f"{field}[{number}]")


def first_control(value: Any) -> tuple[str, str] | None:
    """`(field, character)` of the first control character in a row."""
    for field, text in texts_of(value):
        found = _CONTROLS.search(text)
        if found:
            return field, found.group()
    return None


def first_bom(value: Any) -> str | None:
    """The field that holds U+FEFF, the byte order mark that belongs at the start of a file only."""
    return next((field for field, text in texts_of(value) if BOM in text), None)
