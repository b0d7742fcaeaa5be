"""Reading numbers the way people and models write them: 1,234 and $1234.00 and 12 apples and 1 3/4 and 50%."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from droid_tune.rewards.answers.nouns import nouns_contradict
from droid_tune.rewards.answers.number_words import in_digits
from droid_tune.rewards.answers.typesetting import untypeset
from droid_tune.rewards.answers.units import Unit, read_unit
from droid_tune.rewards.answers.worded_parts import parts_in_digits

#: a number of more digits is refused: nobody meant it, and its end would decide
_MOST_DIGITS = 60
_CURRENCY = "$€£¥₹₩"
#: of a unit: pounds sterling per square metre per year
_MOST_UNIT_WORDS = 10

#: 1,234,567 and 12,34,567 and 1'234'567 and 1234567
_DIGITS = r"""
    (?: \d{1,3} (?: ,\d{3} )+ (?!\d) | \d{1,2} (?: ,\d{2} ){1,12} ,\d{3} (?!\d) | \d{1,3} (?: '\d{3} )+ (?!\d) | \d+ )
"""
_UNSIGNED = rf"""
    {_DIGITS}
    (?: \.\d+ )?                                       # 1.5, but not the full stop after 15.
    (?: [eE][+-]?\d{{1,2}} (?![\w.]) )?                 # 1e-5
    (?: \s?/\s? \d+ (?:\.\d+)? (?![\d/]) )?             # 3/4, but not the date 3/4/2025
    | \.\d+                                            # .5
"""
_NUMBER = re.compile(
    rf"""
    (?<! [A-Za-z_0-9.] ) (?<! \d/ )                     # not inside x2, v1.2 or a date
    (?: (?<! [\w)\]}}%] ) [-+] )?                       # a sign, unless there is something to take from: 5-3
    (?: [{_CURRENCY}]\s? -? )?
    (?: {_UNSIGNED} ) %?
    """,
    re.VERBOSE,
)
_QUANTITY = re.compile(
    rf"""
    (?: (?: about|approximately|approx\.?|roughly|around|exactly|a\ total\ of|total:?|[≈~] ) \s* )?
    (?P<sign> [-+]? | (?:minus|negative)\b ) \s?
    (?P<currency> [{_CURRENCY}] | (?:USD|EUR|GBP|INR|JPY|Rs\.?) (?=\s?\d) )? \s? (?P<minus> -?)
    (?: (?P<whole> {_DIGITS} ) \s+ (?P<part> \d+/\d+ ) (?![\d/.])      # 1 3/4
      | (?P<european> \d{{1,3}} (?:[.\ ]\d{{3}})+ ,\d{{1,2}} (?!\d) )       # 1.234,56 and 1 234,56
      | (?P<spaced> \d{{1,3}} (?: (?:\ \d{{3}})+ | (?:\.\d{{3}}){{2,}} ) ) (?![\d.,/])   # 1 234 567 and 1.234.567
      | (?P<plain> {_UNSIGNED} ) )
    (?: \s* (?: × | x | \* | · | \\times | \\cdot ) \s* 10 \s* (?:\^|\*\*) \s* [({{]? (?P<power> [-+]?\d{{1,2}}) [)}}]? )?
    (?P<rest> .*)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DOLLARS = re.compile(r"(?<!\w)(?:US|AU?|CA?|HK|NZ|SG?|MX|R)\$(?=\s?\d)")
_OUT_OF = re.compile(r"^\s*(\d{1,9}) (?:out of|in)(?: every)? (\d{1,9})[\s.]*$")
_THOUSANDS_BY_POINTS = re.compile(r"\d{1,3}(?:\.\d{3})+")
_VALUE = re.compile(_UNSIGNED, re.VERBOSE)
_FRACTION = re.compile(r"(?:(\d)\s*|(?<!\s)\s*)\\frac\s*(?:\{\s*(\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))")
_PERCENT = re.compile(r"(?:%|per\s?cent\b|percent\b|percentage points?\b)\s*", re.IGNORECASE)
_SCALES = {
    "hundred": 2,
    "thousand": 3,
    "million": 6,
    "millions": 6,
    "mn": 6,
    "billion": 9,
    "billions": 9,
    "bn": 9,
    "trillion": 12,
}
_LETTER_SCALES = {"k": 3, "m": 6, "b": 9}  # behind a currency only: $5M
_WORD = r"[^\W\d_]+(?:['-][^\W\d_]+)*"
_NOUN = re.compile(rf"{_WORD}(?:\s{_WORD}){{0,3}}")
#: words behind a number that make another number of it, or a sentence
_NO_NOUN_WORDS = """
    and or to plus minus times over by half halves third thirds quarter quarters fourth fourths fifth fifths sixth
    sixths seventh sevenths eighth eighths ninth ninths tenth tenths hundredth hundredths thousandth thousandths
    hundred hundreds dozen dozens squared cubed factorial choose mod modulo point negative pi sqrt ln log sin cos tan
    exp alpha beta gamma theta lambda phi omega sigma mu delta infinity inf not but if is are was were equals divided
    multiplied less than thousand million billion trillion thousands
"""
_NO_NOUN = frozenset(_NO_NOUN_WORDS.split())
_EUROS = (("euros", 1),)
_GREEK = re.compile(r"[\u0370-\u03ff]")


@dataclass(frozen=True)
class Quantity:
    """An exact number, whether it was a percentage, and its unit where it has a known one.

    `term`: its unit is one letter without a space, so that 2m may be twice m; `noun`: what is counted, where that is no unit.
    """

    value: Fraction
    percent: bool = False
    unit: Unit | None = None
    term: bool = False
    noun: str = ""

    @property
    def whole(self) -> bool:
        return self.value.denominator == 1


def tidy(text: str) -> str:
    """A number's text without typesetting: `\\frac{3}{4}` is 3/4, LaTeX's dollars around a formula are gone."""
    text = untypeset(text)
    text = _DOLLARS.sub("$", _FRACTION.sub(_plain_fraction, text))
    text = _OUT_OF.sub(r"\1/\2", text)
    if text.count("$") > 1:
        text = text.replace("$", "")  # LaTeX, not money
    text = re.sub(r"\s+", " ", text).strip(" \"'`*_“”").rstrip(".,;:?").rstrip(" *_`\"'")
    inner = text[1:-1]
    return inner.strip() if text.startswith("(") and text.endswith(")") and "(" not in inner else text


def _plain_fraction(found: re.Match[str]) -> str:
    fraction = f"{found[2] or found[3]}/{found[4] or found[5]}"
    return f"{found[1]} {fraction}" if found[1] else fraction


def last_number(text: str) -> str | None:
    """The last number in a text as it is written there (with its sign, % or denominator), None where there is none."""
    numbers = [found.group().strip() for found in _NUMBER.finditer(untypeset(text))]
    return numbers[-1] if numbers else None


@lru_cache(maxsize=256)  # six times for each verdict, of few texts: half of its time
def as_quantity(text: str) -> Quantity | None:
    """The number that a whole text states, None where it is anything but one number with its unit.

    `$1,234.00` and `12 apples` are numbers; `x^2`, `2x`, `3 and 4`, `ln 2`, `5!` and `1-2` are not.
    """
    text = parts_in_digits(tidy(text))
    if not any(map(str.isdigit, text)):
        text = in_digits(text)
    found = _QUANTITY.fullmatch(text)
    if found is None or sum(map(str.isdigit, found.group())) > _MOST_DIGITS:
        return None
    value = _value(found)
    suffix = _suffix(found["rest"].strip(), found["currency"] or "")
    if value is None or suffix is None:
        return None
    scale, percent, unit = suffix
    if unit is not None and unit.powers == _EUROS and _THOUSANDS_BY_POINTS.fullmatch(found["plain"] or ""):
        value *= 1000  # 1.500 €: no price has three decimals, and no country with euros a decimal point
    sign = -1 if (found["sign"] not in ("", "+")) != (found["minus"] == "-") else 1
    one_letter = len(found["rest"]) == 1 and found["rest"].isalpha() and found["rest"].isascii()
    noun = "" if unit is not None or percent or scale != 1 else found["rest"].strip()
    return Quantity(sign * value * scale, percent, unit, term=one_letter and scale == 1, noun=noun)


def _value(found: re.Match[str]) -> Fraction | None:
    """The number itself, without sign; None for a zero denominator."""
    if found["whole"]:
        part = parse_value(found["part"])
        whole = parse_value(found["whole"])
        return None if part is None or whole is None else whole + part
    written = found["european"] and re.sub("[. ]", "", found["european"]).replace(",", ".")
    value = parse_value(written or re.sub("[. ]", "", found["spaced"] or "") or found["plain"])
    return None if value is None else value * Fraction(10) ** int(found["power"] or 0)


def parse_value(written: str) -> Fraction | None:
    """`-1,234.5`, `3/4`, `1e5`, `$-3` as an exact fraction; None for a zero denominator."""
    found = _VALUE.search(written)
    if found is None:
        return None
    digits = found.group().replace(",", "").replace(" ", "").replace("'", "")
    numerator, _, denominator = digits.partition("/")
    try:
        value = Fraction(numerator) / Fraction(denominator or 1)
    except (ZeroDivisionError, ValueError):
        return None
    return -value if "-" in written[: found.start()] else value


def _suffix(rest: str, currency: str) -> tuple[Fraction, bool, Unit | None] | None:
    """Scale, percent and unit behind a number; None where that is neither unit nor noun."""
    scale = Fraction(1)
    first, _, more = rest.partition(" ")
    if first.lower() in _SCALES:
        scale, rest = Fraction(10 ** _SCALES[first.lower()]), more.strip()
    elif first.lower() in ("dozen", "dozens"):
        scale, rest = Fraction(12), more.strip().removeprefix("of ")
    elif currency and first.lower() in _LETTER_SCALES:
        scale, rest = Fraction(10 ** _LETTER_SCALES[first.lower()]), more.strip()
    money = read_unit(currency) if currency else None
    percent = _PERCENT.match(rest)
    if percent is not None:
        rest = rest[percent.end() :]
        return (scale, True, None) if not rest or _is_noun(rest.removeprefix("of ")) else None
    if not rest:
        return scale, False, money
    unit = _unit_of(rest)
    if unit is None and not _is_noun(rest):
        return None
    rate = read_unit(f"{currency} {rest}") if money and re.match(r"per\b|/", rest) else None
    return scale, False, rate or money or unit


def _unit_of(rest: str) -> Unit | None:
    """The longest unit that the words behind a number begin with; `in` alone is an inch, `in total` is none."""
    words = rest.split(" ")
    for count in range(min(len(words), _MOST_UNIT_WORDS), 0, -1):
        unit = read_unit(" ".join(words[:count]))
        tail = " ".join(words[count:])
        if unit is not None and (not tail or (words[0] != "in" and _is_noun(tail))):
            return unit
    return None


def _is_noun(text: str) -> bool:
    """One to four words that count or describe, and say nothing mathematical. A letter alone is a variable."""
    if not _NOUN.fullmatch(text) or _GREEK.search(text):
        return False
    words = text.lower().split()
    return not any(word in _NO_NOUN or (len(word) == 1 and word.isascii() and word != "a") for word in words)


def same_quantity(left: Quantity, right: Quantity) -> bool:
    """Equal numbers. A unit left out is forgiven, one that contradicts is not: 5 km is 5 and 5000 m, but not 5 m; nor are 30
    oranges 30 apples.

    50% is 0.5, and 50 where only the sign is missing; 0.5% is not 0.5, for a number up to 1 may be a share itself.
    """
    if left.unit is not None and right.unit is not None:
        ratio = left.unit.ratio_to(right.unit)
        return ratio is not None and same_value(left.value * ratio, right.value)
    if left.term or right.term or nouns_contradict(left.noun, right.noun):
        return False
    if left.percent == right.percent:
        return same_value(left.value, right.value)
    percent, plain = (left, right) if left.percent else (right, left)
    if plain.unit is not None:
        return False
    missing_sign = abs(plain.value) > 1 and same_value(percent.value, plain.value)
    return missing_sign or same_value(percent.value / 100, plain.value)


def same_value(left: Fraction, right: Fraction) -> bool:
    """Exact for whole numbers; one part in a thousand million else, so that 0.3333333333 is a third and 0.33 is not."""
    if left.denominator == 1 and right.denominator == 1:
        return left == right
    return abs(left - right) <= abs(right) / 10**9
