"""Parts and places that English writes in words, in digits: `two thirds`, `one and a half`, `zero point five`, `twenty-first`."""

from __future__ import annotations

import re
from fractions import Fraction

from droid_tune.rewards.answers.number_words import SMALL, TENS, value_of_words

_PART_NAMES = "half third quarter fifth sixth seventh eighth ninth tenth eleventh twelfth"
_PARTS = {name: value for value, name in enumerate(_PART_NAMES.split(), start=2)} | {
    "fourth": 4,
    "twentieth": 20,
    "hundredth": 100,
    "thousandth": 1000,
}
_ONE, _SEVERAL = "|".join(_PARTS), "|".join(["halves", *(f"{name}s" for name in _PARTS if name != "half")])
_COUNTS = "|".join(name for name in SMALL if name not in ("zero", "one"))
_UP_TO_99 = (
    rf"(?:(?:{'|'.join(TENS)})(?:-(?:{'|'.join(SMALL)}))?|{'|'.join(sorted(SMALL, key=len, reverse=True))})"
)
#: without one of these there is no part
_TOLD = re.compile(r"hal[fv]|quarter|third|th\b|ths\b|point|\d and \d", re.IGNORECASE)
#: `2 and a half`, `one and three quarters`; of parts alone `a third`, `five-eighths`, `half an hour`
_ONE_PART = rf"(?:an?|one)[ -](?P<one>{_ONE})"
_SEVERAL_PARTS = rf"(?P<count>{_COUNTS})[ -](?P<several>{_SEVERAL})"
_HALF = r"(?P<half>half)(?:[ ]an?(?=[ ])|(?=$|[.,]|[ ]of\b))"
_MIXED = re.compile(
    rf"(?<![\w.,-])(?P<whole>\d{{1,4}}|{_UP_TO_99})[ ]and[ ](?:{_ONE_PART}|{_SEVERAL_PARTS})(?![\w-])",
    re.IGNORECASE,
)
#: `4 and 1/2`
_MIXED_IN_DIGITS = re.compile(r"(?<![\w.,/-])(\d{1,4}) and (\d{1,2})/(\d{1,3})(?![\w/]|[.,]\d)")
#: `an hour and a half`, `two cups and a half`
_COUNTED = "hour minute day week month year mile cup pound dozen litre liter gallon metre meter"
_ONE_AND_A_HALF = re.compile(
    rf"(?<![\w.,-])(?P<whole>an?|\d{{1,4}}|{_UP_TO_99})[ ](?P<noun>(?:{'|'.join(_COUNTED.split())})s?)[ ]and[ ]a[ ]half"
    r"(?![\w-])(?![ ]of\b)",
    re.IGNORECASE,
)
_PART = re.compile(rf"(?<![\w.,-])(?:{_ONE_PART}|{_SEVERAL_PARTS}|{_HALF})(?![\w-])", re.IGNORECASE)
_DIGIT_NAMES = "|".join(name for name, value in SMALL.items() if value < 10)
_POINT = re.compile(
    rf"(?<![\w-])(?P<whole>{_UP_TO_99})[ ]point(?P<rest>(?:[ ](?:{_DIGIT_NAMES})){{1,12}})(?![\w-])",
    re.IGNORECASE,
)
_PLACE_NAMES = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_PLACES = {
    **{name: value for value, name in enumerate(_PLACE_NAMES.split(), start=1)},
    **{f"{name}th": value for name, value in SMALL.items() if value > 12},
    **{f"{name[:-1]}ieth": value for name, value in TENS.items()},
}
_PLACE = re.compile(
    rf"(?:the[ ])?(?:(?P<digits>\d{{1,6}})(?:st|nd|rd|th)|(?:(?P<tens>{'|'.join(TENS)})[ -])?(?P<place>{'|'.join(_PLACES)}))"
    r"(?:[ ](?:one|place|position)\b)?",
    re.IGNORECASE,
)
_PLACE_IN_TEXT = re.compile(rf"(?<![\w-])(?:{_PLACE.pattern})(?![\w-])", re.IGNORECASE)


def parts_in_digits(text: str) -> str:
    """The text with `two and a half` as 5/2, `three quarters` as 3/4 and `zero point five` as 0.5."""
    return _PART.sub(_part, mixed_in_digits(_POINT.sub(_decimal, text))) if _TOLD.search(text) else text


def mixed_in_digits(text: str) -> str:
    """The text with `two and a half` and `2 and 1/2` as 5/2 alone: `12 apples, a third of them red` tells two numbers."""
    text = _MIXED_IN_DIGITS.sub(_and_a_part, text)
    return _MIXED.sub(_part, _ONE_AND_A_HALF.sub(_and_a_half, text))


def without_parts(text: str) -> str:
    """The text with blanks for its parts: of `five apples, a third of them red` five is counted."""
    for pattern in (_POINT, _MIXED, _PART):
        text = pattern.sub(" ", text)
    return text


def as_place(text: str) -> int | None:
    """The place in an order that a whole text names: `third`, `the 3rd` and `twenty-first`; None for every other text."""
    found = _PLACE.fullmatch(text)
    if found is None:
        return None
    if found["digits"]:
        return int(found["digits"])
    return TENS.get((found["tens"] or "").lower(), 0) + _PLACES[found["place"].lower()]


def last_place(sentence: str) -> str | None:
    """The last place that a sentence names, as it is written there."""
    found = [one.group() for one in _PLACE_IN_TEXT.finditer(sentence)]
    return found[-1] if found else None


def _part(found: re.Match[str]) -> str:
    said = {name: (value or "").lower() for name, value in found.groupdict().items()}
    several = "half" if said["several"] == "halves" else said["several"].removesuffix("s")
    count = SMALL[said["count"]] if said["count"] else 1
    part = Fraction(count, _PARTS[said["one"] or several or said["half"]])
    whole = said.get("whole") or "0"
    value = part + (int(whole) if whole.isdigit() else value_of_words(whole) or 0)
    return f"{value.numerator}/{value.denominator}"


def _and_a_part(found: re.Match[str]) -> str:
    """`9/2` of `4 and 1/2`; what is no proper fraction stays a number of its own."""
    whole, part, parts = (int(number) for number in found.groups())
    return f"{whole * parts + part}/{parts}" if 0 < part < parts else found.group()


def _and_a_half(found: re.Match[str]) -> str:
    whole = found["whole"]
    value = int(whole) if whole.isdigit() else value_of_words(whole) or 1
    return f"{2 * value + 1}/2 {found['noun']}"


def _decimal(found: re.Match[str]) -> str:
    digits = "".join(str(SMALL[name.lower()]) for name in found["rest"].split())
    return f"{value_of_words(found['whole'])}.{digits}"
