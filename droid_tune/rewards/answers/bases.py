"""Numbers that say in which base they are written: `101_2`, `144_{five}`, `2A_{16}`, and programs' `0x1F` and `0b101`."""

from __future__ import annotations

import re

from droid_tune.rewards.answers.number_words import SMALL

#: bases that are written in words
_NAMED = {name: base for name, base in SMALL.items() if base >= 2}
_BASED = re.compile(
    r"\$?\s*(?P<digits>[0-9A-F]{1,80})\s*_\s*\{?\s*(?:\\text\s*\{\s*)?"
    rf"(?P<base>\d{{1,2}}|{'|'.join(sorted(_NAMED, key=len, reverse=True))})"
    r"\s*\}?\s*\}?\s*\$?\.?"
)
#: computer algebra reads `0x1F` as nothing times x times F
_PREFIXED = re.compile(r"0(?:x[0-9a-f_]{1,80}|b[01_]{1,80}|o[0-7_]{1,80})", re.IGNORECASE)
_EDGES = " `*_$\"'."
_WHOLE = re.compile(r"\$?\s*(\d{1,80})\s*\$?\.?")


def same_in_bases(answer: str, reference: str) -> bool | None:
    """Whether a number that names its base is the other one; None where none does, or the other may be in the same base."""
    if _prefixed(answer) is not None or _prefixed(reference) is not None:
        return _in_any_form(answer) == _in_any_form(reference)
    left, right = _value(answer), _value(reference)
    if left is not None and right is not None:
        return left == right
    plain = _WHOLE.fullmatch((reference if right is None else answer).strip())
    based = left if right is None else right
    return True if based is not None and plain and int(plain[1]) == based else None


def _prefixed(text: str) -> int | None:
    found = _PREFIXED.fullmatch(text.strip(_EDGES))
    try:
        return int(found.group(), 0) if found else None
    except ValueError:  # `0x__`
        return None


def _in_any_form(text: str) -> int | str:
    """The number, or the text of what is none."""
    plain = _WHOLE.fullmatch(text.strip())
    for value in (_prefixed(text), _value(text), int(plain[1]) if plain else None):
        if value is not None:
            return value
    return text.strip(_EDGES)


def _value(text: str) -> int | None:
    found = _BASED.fullmatch(text.strip())
    if found is None:
        return None
    said = found["base"]
    base = _NAMED[said] if said in _NAMED else int(said)
    if not 2 <= base <= 36 or any(int(digit, 16) >= base for digit in found["digits"]):
        return None
    return int(found["digits"], base)
