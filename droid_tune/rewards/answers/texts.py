"""Answers in words: how texts are compared, and the few kinds that may be written in several ways.

Conservative: one spelling of letters, quotes and spaces, no closing point, no article in front. Dates, times and ratios are
read; synonyms are not.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache

from droid_tune.rewards.answers.clock_times import same_time
from droid_tune.rewards.answers.dates import as_date
from droid_tune.rewards.answers.typesetting import untypeset
from droid_tune.rewards.answers.worded_parts import as_place

_EDGES = " \"'`*_$“”‘’«»「」『』《》【】"
_ARTICLE = re.compile(r"^(?:the|an|a)\s+(?=\w{2}|\w\.\w)")
_NUMBER = r"\d(?:[\d,]{0,12}\d)?(?:\.\d{1,6})?"
_RANGED = re.compile(
    rf"(?P<from>(?:from|between)\s+)?(?P<low>{_NUMBER})\s*(?:-|(?P<to>(?:to|and|until|through)\b))\s*(?P<high>{_NUMBER})"
    r"(?P<unit>(?:\s+[a-z]+|%)?)"
)
_RATIO = re.compile(r"\d{1,9}(?:\.\d{1,9})?(?:\s*(?::|to)\s*\d{1,9}(?:\.\d{1,9})?){1,5}", re.IGNORECASE)
_TITLE = re.compile(r"\b(dr|mr|mrs|ms|st|prof|jr|sr)\.(?=\s|$|,)")
#: `CO_2` and CO₂ are CO2; the base of a number stays apart
_SUBSCRIPT = re.compile(r"(?<=[a-z])_\{?(\d{1,3})\}?")
#: pictures and exclamation marks around words; the `!` of `n!` and `5!` is a factorial
_PICTURE = re.compile(r"[\s\u2600-\u27bf\ufe0f\U0001f300-\U0001faff]")
_TWO_LETTERS = re.compile(r"[^\W\d_]{2}")
#: `3 R2` of a division, and `4 by 5` of a size
_REMAINDER = re.compile(r"(?<=\d),?\s*(?:r|rem\.?|remainder:?)\s*(?=\d)")
_BY = re.compile(r"(?<=\d)\s*(?:×|\\times|(?<=\s)x(?=\s)|(?<=\s)by(?=\s))\s*(?=\d)")
#: the charge of `Fe^{3+}`
_CHARGE = re.compile(r"(?<=[a-z\d])\^\{?(\d?[+-])\}?(?!\w)")
#: `J. K.`, `J.R.R.`, `U.S.`: initials are one word
_INITIALS = re.compile(r"(?<!\w)[^\W\d_](?:\.\s?[^\W\d_](?!\w))+\.?|(?<!\w)[^\W\d_]\.(?=\s[^\W\d_]{2})")


@lru_cache(maxsize=256)
def normalised(text: str) -> str:
    """Lower case, single spaces, one spelling of each letter, no quotes, emphasis, article or closing point around it."""
    text = unicodedata.normalize("NFKC", untypeset(text)).casefold()
    text = text.replace("“", '"').replace("”", '"').replace("…", "...")
    text = " ".join(text.split()).lstrip(_EDGES).rstrip(_EDGES + ".,;:。、।۔؛،؟")
    text = _CHARGE.sub(r"\1", _SUBSCRIPT.sub(r"\1", _unexclaimed(text)))
    text = _REMAINDER.sub(" remainder ", _BY.sub(" x ", text))
    text = _INITIALS.sub(lambda found: re.sub(r"[.\s]", "", found.group()), text)
    return _TITLE.sub(r"\1", _ARTICLE.sub("", text))


def _unexclaimed(text: str) -> str:
    """Without the pictures it ends in, and without the marks behind a last word. One letter at a time: a model that has
    collapsed writes thousands."""
    end = len(text)
    while end and _PICTURE.match(text, end - 1):
        end -= 1
    words_end = len(text[:end].rstrip("!"))
    said = _TWO_LETTERS.fullmatch(text, max(0, words_end - 2), words_end)
    return text[: words_end if said else end]


def same_kind(left: str, right: str) -> bool | None:
    """Whether two dates, times, ratios or lists of strings are the same; None where they are not both of one kind."""
    left, right = normalised(left), normalised(right)
    if _is_listed(left) and _is_listed(right):
        return _one_quote(left) == _one_quote(right) or None
    items = _enumerated(left), _enumerated(right)
    if len(items[0]) > 1 and items[0] == items[1]:
        return True
    places = as_place(left), as_place(right)
    if None not in places:
        return places[0] == places[1]
    days = as_date(left), as_date(right)
    if None not in days:
        return days[0] == days[1]
    one, other = _RANGED.fullmatch(left), _RANGED.fullmatch(right)
    if one is not None and other is not None and (_is_range(one) or _is_range(other)):
        return _bounds(one) == _bounds(other)
    times = same_time(left, right)
    if times is not None:
        return times
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


def _is_range(found: re.Match[str]) -> bool:
    """`10-15` and `between 10 and 15 minutes`; `10 to 15` alone may be a ratio."""
    return not found["to"] or found["from"] is not None


def _bounds(found: re.Match[str]) -> tuple[str, str, str]:
    return found["low"], found["high"], found["unit"].strip()


def _enumerated(text: str) -> list[str]:
    """What a list in words names: `red, green, and blue` and `red, green, blue` are the same three."""
    return [item for item in re.split(r"\s*,\s*(?:(?:and|&)\s+)?|\s+(?:and|&)\s+", text) if item]


def as_ratio(text: str) -> list[Fraction] | None:
    """`3:4`, `3 to 4` and `1:2:3` as shares of their last number."""
    if _RATIO.fullmatch(text) is None:
        return None
    parts = [Fraction(part) for part in re.findall(r"[\d.]+", text)]
    return [part / parts[-1] for part in parts] if parts[-1] else None
