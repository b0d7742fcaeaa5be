"""Whether two answers say the same: as texts, dates and ratios, then as numbers. The rest is a matter of mathematics."""

from __future__ import annotations

import re

from droid_tune.rewards.answers.bases import same_in_bases
from droid_tune.rewards.answers.compounds import same_units_joined, with_decimal_comma
from droid_tune.rewards.answers.expressions import as_latex, is_mathematical
from droid_tune.rewards.answers.numbers import Quantity, as_quantity, same_quantity
from droid_tune.rewards.answers.solution_sets import is_empty_set
from droid_tune.rewards.answers.texts import normalised, same_kind
from droid_tune.rewards.answers.truths import truth
from droid_tune.rewards.answers.typesetting import untypeset
from droid_tune.rewards.answers.units import Unit, read_unit
from droid_tune.rewards.answers.worded_parts import as_place

_NAMED = re.compile(r"\$?\s*([a-zA-Zθαβ](?:_\{?\w+\}?|\([a-z]\))?)\s*=\s*([^=]+)")
#: of a name with its value, in characters
_LONGEST_VALUE = 100
_NAMED_AT_END = re.compile(r"(?<![\w\\}])([a-zA-Z])\s*=\s*[-+]?\d[\d.,/]*[\s.$*]*$")
_ROOT = re.compile(r"([a-zA-Z])_\{?\d\}?\s*=\s*([^=,;]+)")
_BETWEEN_ROOTS = re.compile(r"\s*(?:,\s*(?:and\s|or\s)?|;|\band\b|\bor\b)\s*")
#: a longer text can only be the same words: what a model that has collapsed says may be of any length
_LONGEST = 1_000
_TERM = r"(?:[^a-zA-Z\\=]|\\(?:cdot|times|div)(?![a-zA-Z]))*"
_SUM = re.compile(rf"{_TERM}\d{_TERM}=\s*([^=]+)")
#: `Total = 42`, `Sentiment: positive`; one letter is a variable
_LABELLED = re.compile(r"[^\W\d_]{2,}(?:[ '-]+[^\W\d_]+){0,5}\s*[=:]\s*([^=:]+)")
_ABOUT = re.compile(r"\\approx(?![a-zA-Z])|≈")
_CHOICE = re.compile(r"\(?[A-J]\)[.:]?\s+(\S.*)|[A-J][.:]\s+(\S.*)", re.DOTALL)
#: a telephone number, a range, a date that is none: the hyphens take nothing away
_JOINED = re.compile(r"\d+(?:-\d+)+")
_JOINED_THRICE = re.compile(r"\d+(?:-\d+){2,}")
_UNSOLVED = re.compile(r"\$?\s*[-+]?\d+(?:\.\d+)?\s*\*?\s*[a-z]\s*=")
_MODULUS = re.compile(
    r"\$?(?:[a-z]\s*(?:\\equiv|≡|=)\s*)?(?P<value>-?\d{1,30})\s*(?:\\pmod|\\bmod|\(?\s*\\?mod)\s*\{?\s*\d{1,30}\s*\}?\)?\$?"
)
#: `2 3 5 7`, where the other parts them by commas
_SPACED = re.compile(r"\[?\s*(-?\d+(?:\.\d+)?(?:\s+-?\d+(?:\.\d+)?)+)\s*\]?\.?")
#: `2+3j` is how engineers and Python write a complex number; `2i + 3j` is a vector
_COMPLEX = re.compile(r"\(?\s*-?\s*\d+(?:\.\d+)?\s*[-+]\s*(?:\d+(?:\.\d+)?)?(j)\s*\)?")
_ORDINAL = re.compile(r"\d(?:st|nd|rd|th)\b")
_RELATION = re.compile(r"[<>≤≥≠]|\\(?:[gl]eq?|[gl]t|neq?)(?![a-zA-Z])")
#: computer algebra knows none of them, and of `1e-7` takes 7 from e
_SCALED = re.compile(r"\d ?(?:(?:hundred|thousand|[mb]illion|trillion|dozen)\b|e[-+]?\d)", re.IGNORECASE)
_UNIT_AT_END = re.compile(r"(?<=[\d)}πa-z])\s+([a-zA-Z°][a-zA-Z°/ .]*(?:\^\{?[23]\}?)?)$")


def quick_verdict(answer: str, reference: str) -> bool | None:
    """True or False where text and number decide, None where the answers might still be mathematically equal."""
    verdicts = [_verdict(one, other) for one, other in readings(answer, reference)]
    if True in verdicts:
        return True
    return None if None in verdicts else False


def pairs_for_mathematics(answer: str, reference: str) -> list[tuple[str, str]]:
    """The readings that only mathematics can compare, as LaTeX and without their units."""
    pairs = [
        without_units(one, other)
        for one, other in readings(answer, reference)
        if _verdict(one, other) is None
    ]
    return [(as_latex(pair[0]), as_latex(pair[1])) for pair in pairs if pair is not None]


def readings(answer: str, reference: str) -> list[tuple[str, str]]:
    """Answer and reference in the forms in which they may be compared: `x = 5` is 5, unless the other names x too."""
    answer, reference = without_lone_modulus(untypeset(answer), untypeset(reference))
    if len(answer) > _LONGEST:
        return [(answer, reference)]
    if names_another(answer, reference):
        return []
    answer, reference = _with_commas(answer, reference), _with_commas(reference, answer)
    if _COMPLEX.fullmatch(answer) and "i" in reference:
        answer = answer.replace("j", "i")
    elif _COMPLEX.fullmatch(reference) and "i" in answer:
        reference = reference.replace("j", "i")
    left, right = _NAMED.fullmatch(answer), _NAMED.fullmatch(reference)
    if left and right:
        if left[1].replace(" ", "") == right[1].replace(" ", ""):
            return [(left[2], right[2])]
        return [] if _of_other_variables(left, right) else [(answer, reference)]
    wanted = _roots(reference) or (right[2] if right else _of(_SUM, reference) or reference)
    pairs = [(answer, reference)]
    forms = [
        left[2] if left else "",
        _roots(answer),
        *(_of(form, answer) for form in (_SUM, _LABELLED, _CHOICE)),
    ]
    for form in (answer, *forms, *_around(answer)):
        if form.strip() and (form, wanted) not in pairs:
            pairs.append((form, wanted))
    return pairs


def _with_commas(text: str, other: str) -> str:
    """`2, 3, 5` of `2 3 5` where the other is a list of as many."""
    listed = _SPACED.fullmatch(text)
    if listed is None or other.count(",") + 1 != len(listed[1].split()) or as_quantity(other) is not None:
        return text
    return text.replace(listed[1], ", ".join(listed[1].split()))


def without_lone_modulus(answer: str, reference: str) -> tuple[str, str]:
    """Both without the modulus that one of them names alone: `x \\equiv 3 \\pmod{7}` and 3."""
    found = [_MODULUS.fullmatch(one) for one in (answer, reference)]
    if (found[0] is None) == (found[1] is None):
        return answer, reference
    left, right = (
        one["value"] if one else text for one, text in zip(found, (answer, reference), strict=True)
    )
    return left, right


def _roots(text: str) -> str:
    """`2, -5` of `x_1 = 2, x_2 = -5`; empty for every other text."""
    parts = [_ROOT.fullmatch(part.strip(" $")) for part in _BETWEEN_ROOTS.split(text)]
    found = [part for part in parts if part is not None]
    same = len(found) == len(parts) > 1 and len({part[1] for part in found}) == 1
    return ", ".join(part[2] for part in found) if same else ""


def names_another(spoken: str, reference: str) -> bool:
    """Whether a text ends in the value of another letter than the reference names: `so y = 5` of `x = 5`."""
    wanted = _NAMED.fullmatch(untypeset(reference))
    said = _NAMED_AT_END.search(untypeset(spoken)[-_LONGEST_VALUE:])
    return wanted is not None and said is not None and len(wanted[1]) == 1 and wanted[1] != said[1]


def _of_other_variables(left: re.Match[str], right: re.Match[str]) -> bool:
    """`y = 3` says nothing of `x = 3`; `f(x) = 5x` says the same as `y = 5x`."""
    values = as_quantity(left[2]), as_quantity(right[2])
    return len(left[1]) == len(right[1]) == 1 and None not in values


def _of(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.fullmatch(text)
    return next((group for group in found.groups() if group), "") if found else ""


def _around(text: str) -> list[str]:
    """Both sides of `\\sqrt{2} \\approx 1.41`: the exact value and the rounded one."""
    parts = _ABOUT.split(text)
    return [part.strip(" $") for part in parts] if len(parts) == 2 else []


def _verdict(answer: str, reference: str) -> bool | None:
    based = same_in_bases(answer, reference)
    if based is not None:
        return based
    if normalised(answer) == normalised(reference):
        same = answer.strip() == reference.strip()
        return same or (bool(normalised(reference)) and not _differ_by_capitals(answer, reference))
    if is_empty_set(answer) and is_empty_set(reference):
        return True
    for verdict in (
        _same_truth(answer, reference),
        same_kind(answer, reference),
        _place_and_number(answer, reference),
    ):
        if verdict is not None:
            return verdict
    if len(answer) > _LONGEST:
        return False
    left, right = _quantities(answer, reference)
    if left is not None and right is not None:
        return same_quantity(left, right)
    if right is not None and (_RELATION.search(answer) or _UNSOLVED.match(answer)):
        return False  # neither a bound nor 2x = 60 is a value
    if _JOINED.fullmatch(reference.strip()) or _JOINED_THRICE.fullmatch(answer.strip()):
        return False
    pair = without_units(answer, reference)
    if pair is None:
        return False
    return None if all(map(is_mathematical, pair)) else False


def _quantities(answer: str, reference: str) -> tuple[Quantity | None, Quantity | None]:
    """Both as quantities; a comma between digits is decimal only where the other is one number."""
    left = as_quantity(answer) or same_units_joined(answer)
    right = as_quantity(reference) or same_units_joined(reference)
    if left is None and right is not None:
        left = with_decimal_comma(answer)
    elif right is None and left is not None:
        right = with_decimal_comma(reference)
    return left, right


def _differ_by_capitals(answer: str, reference: str) -> bool:
    """Whether two texts that are the same but for capitals name two units: `8 Mb` are not `8 MB`."""
    left, right = as_quantity(answer), as_quantity(reference)
    return left is not None and right is not None and not same_quantity(left, right)


def _place_and_number(answer: str, reference: str) -> bool | None:
    """A place in an order is no number of things (`21st` is not 21, `2 seconds` not `2nd`), but may be told by a bare number."""
    said, wanted = as_place(normalised(answer)), as_place(normalised(reference))
    if said is not None and wanted is None and not _ORDINAL.search(reference):
        return False if as_quantity(reference) is not None else None
    number = as_quantity(answer) if wanted is not None and said is None else None
    if number is not None and not _ORDINAL.search(answer):
        bare = number.unit is None and not number.noun and any(map(str.isdigit, answer))
        return bare and number.value == wanted
    return None


def _same_truth(answer: str, reference: str) -> bool | None:
    left, right = truth(answer), truth(reference)
    return None if left is None or right is None else left == right


def without_units(answer: str, reference: str) -> tuple[str, str] | None:
    """Two expressions without the units behind them; None where the units contradict."""
    left, own = split_unit(answer)
    right, wanted = split_unit(reference)
    if own is not None and wanted is not None and own.ratio_to(wanted) != 1:
        return None
    return left, right


def split_unit(text: str) -> tuple[str, Unit | None]:
    """`3\\sqrt{2} cm` as `3\\sqrt{2}` and centimetres. A letter alone is a variable, no unit."""
    number = as_quantity(text) if _SCALED.search(text) else None
    if number is not None and not number.percent:
        return str(number.value), number.unit
    text = untypeset(text).strip(" $")
    found = _UNIT_AT_END.search(text)
    unit = read_unit(found[1]) if found and len(found[1]) > 1 else None
    return (text[: found.start()], unit) if found and unit is not None else (text, None)
