"""Numbers that say in which base they are written: `101_2`, `144_{five}`, `2A_{16}`."""

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
_WHOLE = re.compile(r"\$?\s*(\d{1,80})\s*\$?\.?")


def same_in_bases(answer: str, reference: str) -> bool | None:
    """Whether a number that names its base is the other one; None where none does, or the other may be in the same base."""
    left, right = _value(answer), _value(reference)
    if left is not None and right is not None:
        return left == right
    plain = _WHOLE.fullmatch((reference if right is None else answer).strip())
    based = left if right is None else right
    return True if based is not None and plain and int(plain[1]) == based else None


def _value(text: str) -> int | None:
    found = _BASED.fullmatch(text.strip())
    if found is None:
        return None
    said = found["base"]
    base = _NAMED[said] if said in _NAMED else int(said)
    if not 2 <= base <= 36 or any(int(digit, 16) >= base for digit in found["digits"]):
        return None
    return int(found["digits"], base)
