"""Reading numbers the way people and models write them: 1,234 and $1234.00 and 12 apples and 3/4 and 50%."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

_UNSIGNED = r"""
    (?: \d{1,3} (?: ,\d{3} )+ (?!\d) | \d{1,60} )      # 1,234,567 or 1234567
    (?: \.\d{1,60} )?                                  # 1.5, but not the full stop after 15.
    (?: [eE][+-]?\d{1,2} (?![\w.]) )?                   # 1e-5
    (?: \s?/\s? \d{1,60} (?:\.\d+)? (?![\d/]) )?       # 3/4, but not the date 3/4/2025
    | \.\d{1,60}                                       # .5
"""
_NUMBER = re.compile(
    rf"""
    (?<! [A-Za-z_0-9.] ) (?<! \d/ )                     # not inside x2, v1.2 or a date
    (?: (?<! [\w)\]}}%] ) [-+] )?                       # a sign, unless there is something to take from: 5-3
    (?: [$€£¥₹]\s? -? )?
    (?: {_UNSIGNED} ) %?
    """,
    re.VERBOSE,
)
_VALUE = re.compile(_UNSIGNED, re.VERBOSE)
_UNIT = re.compile(r"[^\W\d_]+(?:\s?/\s?[^\W\d_]+)?|[%°²³]")
#: what may stand around a number without changing it; an operator may not, for `x^2` is not 2
_AROUND = re.compile(r"[^\W\d_%°²³]|[\s.,:;!?'\"()\[\]*`$€£¥₹%°²³/]|~|≈")

_DASHES = str.maketrans({"\u2212": "-", "\u2013": "-", "\u2010": "-", "\u2011": "-", "\u2044": "/"})

#: one name for each unit that models write in several ways; words not listed here do not decide anything
UNITS: dict[str, str] = {
    spelling: name
    for name, spellings in {
        "mm": "mm millimeter millimeters millimetre millimetres",
        "cm": "cm centimeter centimeters centimetre centimetres",
        "m": "m meter meters metre metres",
        "km": "km kilometer kilometers kilometre kilometres",
        "inch": "in inch inches",
        "foot": "ft foot feet",
        "mile": "mi mile miles",
        "mg": "mg milligram milligrams",
        "g": "g gram grams",
        "kg": "kg kilogram kilograms",
        "ml": "ml milliliter milliliters millilitre millilitres",
        "l": "l liter liters litre litres",
        "second": "s sec secs second seconds",
        "minute": "min mins minute minutes",
        "hour": "h hr hrs hour hours",
        "day": "day days",
        "week": "week weeks",
        "month": "month months",
        "year": "yr yrs year years",
        "cent": "cent cents ¢",
        "dollar": "$ usd dollar dollars",
    }.items()
    for spelling in spellings.split()
}


@dataclass(frozen=True)
class Quantity:
    """An exact number, whether it was a percentage, and its unit where that is one of `UNITS`."""

    value: Fraction
    percent: bool = False
    unit: str = ""

    @property
    def whole(self) -> bool:
        return self.value.denominator == 1


def tidy(text: str) -> str:
    """One spelling for what has several: dashes, full-width digits, LaTeX's spaces and money signs."""
    text = unicodedata.normalize("NFKC", text).translate(_DASHES)
    for latex, plain in (("{,}", ","), ("\\,", ""), ("\\!", ""), ("\\%", "%"), ("\\$", "$"), ("\\ ", " ")):
        text = text.replace(latex, plain)
    return text.strip()


def last_number(text: str) -> str | None:
    """The last number in a text as it is written there (with its sign, % or denominator), None where there is none."""
    numbers = [found.group().strip() for found in _NUMBER.finditer(tidy(text))]
    return numbers[-1] if numbers else None


def as_quantity(text: str) -> Quantity | None:
    """The number that a whole text states, None where it is anything but one number with its unit.

    `$1,234.00` and `12 apples` are numbers; `x^2`, `2x`, `3 and 4` and `1-2` are not.
    """
    text = tidy(text)
    if text.count("$") > 1:
        text = text.strip("$")  # LaTeX, not money
    matches = list(_NUMBER.finditer(text))
    if len(matches) != 1:
        return None
    match = matches[0]
    around = text[: match.start()] + " " + text[match.end() :]
    if _touching_letter(text, match.end()) or not all(_AROUND.fullmatch(mark) for mark in around):
        return None
    written = match.group()
    value = parse_value(written)
    if value is None:
        return None
    return Quantity(value, "%" in written or "%" in around, _unit(written + " " + around))


def _touching_letter(text: str, end: int) -> bool:
    """`2x` and `5y` are terms, `5km` is a length: one letter that no unit has makes a term."""
    word = re.match(r"[A-Za-z]+", text[end:])
    return bool(word) and len(word.group()) == 1 and word.group().lower() not in UNITS


def parse_value(written: str) -> Fraction | None:
    """`-1,234.5`, `3/4`, `1e5`, `$-3` as an exact fraction; None for a zero denominator."""
    found = _VALUE.search(written)
    if found is None:
        return None
    numerator, _, denominator = found.group().replace(",", "").replace(" ", "").partition("/")
    try:
        value = Fraction(numerator) / Fraction(denominator or 1)
    except ZeroDivisionError:
        return None
    return -value if "-" in written[: found.start()] else value


def _unit(text: str) -> str:
    words = [UNITS.get(word.lower()) for word in _UNIT.findall(text)]
    return next((unit for unit in words if unit), "dollar" if "$" in text else "")


def same_quantity(left: Quantity, right: Quantity) -> bool:
    """Equal numbers; 50% is 50 as well as 0.5; 5 km is not 5 m, but a unit left out is forgiven."""
    if left.unit and right.unit and left.unit != right.unit:
        return False
    if same_value(left.value, right.value):
        return True
    if left.percent == right.percent:
        return False
    percent, plain = (left, right) if left.percent else (right, left)
    return same_value(percent.value / 100, plain.value)


def same_value(left: Fraction, right: Fraction) -> bool:
    """Exact for whole numbers; one part in a thousand million else, so that 0.3333333333 is a third and 0.33 is not."""
    if left.denominator == 1 and right.denominator == 1:
        return left == right
    return abs(left - right) <= abs(right) / 10**9
