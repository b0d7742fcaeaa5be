"""Answers in words: how texts are compared, and the few kinds that may be written in several ways.

Conservative: one spelling of letters, quotes and spaces, no closing point, no article in front. Yes and no, dates, times and
ratios are read; synonyms are not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from droid_tune.rewards.answers.typesetting import untypeset

_EDGES = " \"'`*_$“”‘’«»"
_ARTICLE = re.compile(r"^(?:the|an|a)\s+(?=\w{2}|\w\.\w)")
_TRUTHS = {"yes": True, "true": True, "no": False, "false": False}
_TRUTH_SAID = re.compile(
    r"(?:^|[.!?:\n])[\s*_\"'$#]{0,40}(yes|no|true|false)\b[*_\"'$]*(?=\s*(?:$|[.,;:!—–\n]|-\s))",
    re.IGNORECASE,
)
_TRUTH_AT_END = re.compile(
    r"(?:\b(?:is|are|was|were)|['’]s)[\s*_]+(true|false)\b[*_]*[.!]?\s*$", re.IGNORECASE
)
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([ap])?\.?\s*(?:m\.?)?", re.IGNORECASE)
_HOUR = re.compile(r"(\d{1,2})\s*([ap])\.?\s*m\.?", re.IGNORECASE)
_O_CLOCK = re.compile(r"(?<=\d)\s+o'?clock\b")
_RATIO = re.compile(r"\d{1,9}(?:\.\d{1,9})?(?:\s*(?::|to)\s*\d{1,9}(?:\.\d{1,9})?){1,5}", re.IGNORECASE)
_TITLE = re.compile(r"\b(dr|mr|mrs|ms|st|prof|jr|sr)\.(?=\s|$|,)")
#: `CO_2` and CO₂ are CO2; the base of a number stays apart
_SUBSCRIPT = re.compile(r"(?<=[a-z])_\{?(\d{1,3})\}?")
_ISO = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_SLASHES = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})")
_MONTH_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS: Sequence[str] = _MONTH_NAMES.split()
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]*\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_MONTH_FIRST = re.compile(rf"{_MONTH}\s+{_DAY}(?:,?\s+(\d{{4}}))?", re.IGNORECASE)
_DAY_FIRST = re.compile(rf"{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+(\d{{4}}))?", re.IGNORECASE)
#: the year of a day without one: a leap year, and nobody's
_NO_YEAR = 4


def normalised(text: str) -> str:
    """Lower case, single spaces, one spelling of each letter, no quotes, emphasis, article or closing point around it."""
    text = unicodedata.normalize("NFKC", untypeset(text)).casefold()
    text = text.replace("“", '"').replace("”", '"').replace("…", "...")
    text = " ".join(text.split()).lstrip(_EDGES).rstrip(_EDGES + ".,;:")
    text = _SUBSCRIPT.sub(r"\1", text)
    return _TITLE.sub(r"\1", _ARTICLE.sub("", text))


def truth(text: str) -> bool | None:
    """Yes and true, no and false; None for every other text."""
    return _TRUTHS.get(normalised(text))


def truth_said(text: str) -> bool | None:
    """The last yes or no with which a sentence of the text begins, or that stands alone or ends it ("it is true")."""
    found = _TRUTH_SAID.findall(text) or _TRUTH_AT_END.findall(text)
    return _TRUTHS[found[-1].lower()] if found else None


def same_kind(left: str, right: str) -> bool | None:
    """Whether two dates, times, ratios or lists of strings are the same; None where they are not both of one kind."""
    left, right = normalised(left), normalised(right)
    if _is_listed(left) and _is_listed(right):
        return _one_quote(left) == _one_quote(right) or None
    items = _enumerated(left), _enumerated(right)
    if len(items[0]) > 1 and items[0] == items[1]:
        return True
    days = as_date(left), as_date(right)
    if None not in days:
        return days[0] == days[1]
    times = _time(left), _time(right)
    if times[0] and times[1] and (_is_clock(times[0]) or _is_clock(times[1])):
        return same_time(times[0], times[1])
    ratios = as_ratio(left), as_ratio(right)
    return None if None in ratios else ratios[0] == ratios[1]


def _is_listed(text: str) -> bool:
    """A list of strings, or of lists with strings."""
    inner = text[1:-1].strip()
    if not (text.startswith("[") and text.endswith("]") and ('"' in inner or "'" in inner)):
        return False
    return not ("[" in inner or "]" in inner) or (inner.startswith("[") and inner.endswith("]"))


def _one_quote(text: str) -> str:
    """A list of strings in Python's spelling as in JSON's: only spaces around commas and kind of quotes differ."""
    return re.sub(r"\s*,\s*", ",", text.replace('"', "'"))


def _enumerated(text: str) -> list[str]:
    """What a list in words names: `red, green, and blue` and `red, green, blue` are the same three."""
    return [item for item in re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", text) if item]


def _time(text: str) -> re.Match[str] | None:
    """`3:30 pm`, `15:30:00`, and `9 pm` or 9 o'clock as 9:00."""
    text = _O_CLOCK.sub(":00" if ":" not in text else "", text)
    return _TIME.fullmatch(_HOUR.sub(r"\1:00 \2m", text) if _HOUR.fullmatch(text) else text)


def as_date(text: str) -> date | None:
    """`2024-05-01`, `May 1, 2024`, `1st of May 2024`, `May 1`, `15/01/2024`; 05/01/2024 is nobody's for certain."""
    iso, month_first, day_first, slashes = (
        form.fullmatch(text) for form in (_ISO, _MONTH_FIRST, _DAY_FIRST, _SLASHES)
    )
    try:
        if iso:
            return date(int(iso[1]), int(iso[2]), int(iso[3]))
        if month_first:
            return date(int(month_first[3] or _NO_YEAR), _month(month_first[1]), int(month_first[2]))
        if day_first:
            return date(int(day_first[3] or _NO_YEAR), _month(day_first[2]), int(day_first[1]))
        if slashes and (max(int(slashes[1]), int(slashes[2])) > 12 or int(slashes[1]) == int(slashes[2])):
            day, month = sorted((int(slashes[1]), int(slashes[2])), reverse=True)
            return date(int(slashes[3]), month, day)
    except ValueError:
        pass
    return None


def _month(name: str) -> int:
    return _MONTHS.index(name[:3].lower()) + 1


def _is_clock(time: re.Match[str]) -> bool:
    """3:30 is a time as well as a ratio; 10:75 and 3:4 are none."""
    return int(time[1]) <= 24 and int(time[2]) < 60


def same_time(left: re.Match[str], right: re.Match[str]) -> bool:
    """The same moment of a day; where one leaves out am or pm, the same digits are."""
    one, other = ((int(time[1]), int(time[2]), int(time[3] or 0)) for time in (left, right))
    if one == other:
        return not (left[4] and right[4] and left[4].lower() != right[4].lower())
    halves = [(time[4] or "").lower() for time in (left, right)]
    return any(halves) and _on_24_hours(one, halves[0]) == _on_24_hours(other, halves[1])


def _on_24_hours(time: tuple[int, int, int], half: str) -> tuple[int, int, int]:
    hour = time[0] % 12 + (12 if half == "p" else 0) if half else time[0]
    return hour, time[1], time[2]


def as_ratio(text: str) -> list[Fraction] | None:
    """`3:4`, `3 to 4` and `1:2:3` as shares of their last number."""
    if _RATIO.fullmatch(text) is None:
        return None
    parts = [Fraction(part) for part in re.findall(r"[\d.]+", text)]
    return [part / parts[-1] for part in parts] if parts[-1] else None
