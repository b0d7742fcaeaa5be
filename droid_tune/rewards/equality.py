"""Whether two answers say the same: as texts, then as numbers. What these leave open is a matter of mathematics."""

from __future__ import annotations

import re
import unicodedata

from droid_tune.rewards.numbers import as_quantity, same_quantity

_EDGES = re.compile(r"^[\s\"'`*_“”‘’]+|[\s\"'`*_“”‘’.,;:]+$")
_MATHEMATICAL = re.compile(r"[\d\\^+*/=<>]|(?<![A-Za-z])[a-zA-Z]\s*-|^[a-zA-Zπ]$")

#: beyond this an answer is a text, and no computer algebra is asked about it
LONGEST_EXPRESSION = 300


def quick_verdict(answer: str, reference: str) -> bool | None:
    """True or False where text and numbers decide, None where the answers might still be mathematically equal."""
    if normalised(answer) == normalised(reference):
        return True
    left, right = as_quantity(answer), as_quantity(reference)
    if left is not None and right is not None:
        return same_quantity(left, right)
    return None if is_mathematical(answer) and is_mathematical(reference) else False


def normalised(text: str) -> str:
    """Lower case, single spaces, one spelling of each letter, no quotes, emphasis or closing punctuation around it."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return _EDGES.sub("", " ".join(text.split()))


def is_mathematical(text: str) -> bool:
    """Whether a text could be an expression at all: a sentence is none."""
    return len(text) <= LONGEST_EXPRESSION and bool(_MATHEMATICAL.search(text.strip()))
