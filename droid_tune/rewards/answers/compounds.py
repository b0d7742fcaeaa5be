"""Quantities that a whole text states in another way than as one number: `2 hours 30 minutes`, `1,5` with a decimal comma."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

from droid_tune.rewards.answers.numbers import Quantity, as_quantity
from droid_tune.rewards.answers.typesetting import untypeset
from droid_tune.rewards.answers.units import read_unit

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([^\W\d_]+)\.?")
#: 5'6" and 30°15'
_FEET = re.compile(r"(\d{1,3})\s?'\s?(\d{1,2}(?:\.\d+)?)\s?(?:\"|''|in\b|inches\b)?")
_FEET_IN_TEXT = re.compile(r"(?<![\w.])(\d{1,2})'\s?(\d{1,2})(?:\"|'')")
_ARC = re.compile(r"(\d{1,3})\s?°\s?(\d{1,2})\s?'(?:\s?(\d{1,2}(?:\.\d+)?)\s?(?:\"|''))?")
_LINK = re.compile(r"\s*(?:,|and\b)?\s*")
#: `1,5` and `-0,25` and `3,50 €`, but neither `1,234` nor `1, 5`
_DECIMAL_COMMA = re.compile(r"([-+]?[$€£¥₹₩]?\s?\d+),(\d{1,2}|\d{4,})(\s?[^\d,.]*)")


def same_units_joined(text: str) -> Quantity | None:
    """`5 feet 6 inches` in feet: each unit of the same kind, and smaller than the one before. None for any other text."""
    text = untypeset(text).strip(" .$")
    arc = _ARC.fullmatch(text)
    if arc is not None:
        minutes = Fraction(arc[2]) + Fraction(arc[3] or 0) / 60
        return Quantity(Fraction(arc[1]) + minutes / 60, unit=read_unit("°"))
    feet = _FEET.fullmatch(text)
    parts = [f"{feet[1]} feet", f"{feet[2]} inches"] if feet else _parts(text)
    quantities = [as_quantity(part) for part in parts]
    units = [one.unit for one in quantities if one is not None and one.unit is not None]
    if len(parts) < 2 or len(units) < len(parts):
        return None
    ratios = [unit.ratio_to(units[0]) for unit in units]
    falling = [ratio for ratio in ratios if ratio is not None]
    if len(falling) < len(ratios) or any(one <= next_one for one, next_one in pairwise(falling)):
        return None
    values = [one.value for one in quantities if one is not None]
    total = sum((value * ratio for value, ratio in zip(values, falling, strict=True)), Fraction(0))
    return Quantity(total, unit=units[0])


def _parts(text: str) -> list[str]:
    """The numbers with their units, empty where the text says more."""
    parts: list[str] = []
    position = 0
    while position < len(text):
        found = _PART.match(text, position)
        if found is None:
            return []
        behind_hours = found[2] == "m" and parts and parts[-1].endswith(" h")
        parts.append(f"{found[1]} {'min' if behind_hours else found[2]}")
        link = _LINK.match(text, found.end())
        position = link.end() if link else found.end()
    return parts


def with_decimal_comma(text: str) -> Quantity | None:
    """`1,5` as one and a half: two numbers as well, so only for comparing with one number."""
    found = _DECIMAL_COMMA.fullmatch(untypeset(text).strip(" .$"))
    return as_quantity(f"{found[1]}.{found[2]}{found[3]}") if found else None


#: `2 hours and 30 minutes` and `$18 and 50 cents` in running text
_JOINED = re.compile(
    r"(?<![\w.,$€£])\d+(?:\.\d+)?\s?[^\W\d_]{1,12}(?:,?\s(?:and\s)?\d+(?:\.\d+)?\s?[^\W\d_]{1,12}){1,3}(?![\w/^])"
)
_DOLLARS_AND_CENTS = re.compile(r"(?<![\w$])\$(\d+) and (\d{1,2}) cents\b")


def joined_in_text(text: str) -> str:
    """The text with quantities of several units in one: `5/2 hours`."""
    text = _FEET_IN_TEXT.sub(r"\1 feet \2 inches", text)
    return _JOINED.sub(_in_one, _DOLLARS_AND_CENTS.sub(r"\1 dollars and \2 cents", text))


def _in_one(found: re.Match[str]) -> str:
    whole = same_units_joined(found.group())
    first = _PART.match(found.group())
    if whole is None or first is None:
        return found.group()
    return f"{whole.value.numerator}/{whole.value.denominator} {first[2]}"
