"""Values in running text: a number with its unit, or the expression that it is part of."""

from __future__ import annotations

import re

from droid_tune.rewards.answers.compounds import joined_in_text
from droid_tune.rewards.answers.numbers import as_quantity
from droid_tune.rewards.answers.typesetting import untypeset
from droid_tune.rewards.answers.units import read_unit
from droid_tune.rewards.answers.worded_parts import mixed_in_digits

_OPERATOR = re.compile(r"[-+*/×·÷^=≈<>≤≥±]+|\\(?:[gl]eq?|[gl]t|neq?)|plus|minus|times")
_OPERATOR_AT_END = re.compile(r"[-+*/×·÷^±(\[{]$")
_OPERATOR_AT_START = re.compile(r"^[+*/×·÷^±!]")
_OPEN_FORMULA = re.compile(r"\$((?=[^$\n\d]*+\d)[^$\n]*+)\$")
_EQUALS = re.compile(r"=|≈|\\approx(?![a-zA-Z])")
_HEDGE = re.compile(r"\s*(?:,|/|;|or|and|to|-|–)\s*[-+$€£]?\d")
_CHANGES = re.compile(
    r"\s+(dozens?|hundreds?|squared|cubed|factorial|hal(?:f|ves)|thirds?|quarters?|and\s+a\s+half)\b",
    re.IGNORECASE,
)
_TIMES = re.compile(r"x|\\times|\\cdot")
_TEN_RAISED = re.compile(r"\$?10(?:\^|\*\*)")
_EDGES = " \"'`*_“”"
#: a scale and a unit behind a number, in characters
_LONGEST_UNIT = 200
#: where scripts that part no words by spaces touch a number: Chinese, Japanese, Thai, Korean
_UNPARTED = r"[\u0e00-\u0e7f\u2e80-\u9fff\uac00-\ud7af\uff01-\uff0f]"
_BORDER = re.compile(rf"(?<={_UNPARTED})(?=[-+]?[$€£¥₹₩]?\d)|(?<=[\d%])(?={_UNPARTED})")
_THOUSANDS = re.compile(r"(?<![\d.,]\s)(?<![\w.,])[1-9]\d{0,2}(?: \d{3})+(?:,\d{1,2})?(?![\d.,/]?\d| \d)")
#: what a sentence comes to before it goes on: "9 + 6 = 15 liters out of the 24"; of 247 such ends of GSM8K's solutions 221 mean
#: the 15, 36 the last number (November 2026)
_COMES_TO = re.compile(
    r"(?<![<>=!])=\s*[-−]?[$€£]?\d[\d,]*(?:\.\d+)?%?(?P<more>\s+[A-Za-z(][^.!?\n]{0,80}?)(?=[^\s\d]{0,20}\d)"
)
_SAID_ANEW = re.compile(
    r"\b(?:or|and|which|so|mean(?:s|ing)|confirm\w*|round\w*|therefore|thus|hence|gives?|leav\w+|equals?|makes?|totals)\b|[=<>≈]"
)
_ARROW = re.compile(r"[=-]>|[→⇒⟹]|\\(?:[rR]ightarrow|Longrightarrow|implies)(?![a-zA-Z])")
_MODULUS = re.compile(r"(?<=\d)\s*(?:\\pmod\s*|\\bmod\s*|\(mod\s+)\{?\d{1,30}\}?\)?")
_OUT_OF = re.compile(r"(?<![\w.,/])(\d{1,9}) out of (\d{1,9})(?![\w/]|[.,]\d)")
_CHANCE = re.compile(
    r"\b((?:chances?|probability|odds)\b[^.\d\n]{0,40}?) (\d{1,9}) in (\d{1,9})\b", re.IGNORECASE
)
#: a remark in brackets behind all that is said, unless it says the value anew
_REMARK = re.compile(
    r"(?<=[\s.])\((?!\s*(?:which|that|or|so|i\.?e|namely|about|approx\w*|total|edit\w*|correct\w*|oops|wait|no|sorry|actually|rather|[=≈])\b|\s*[=≈])"
    r"(?=[^()]*[A-Za-z]{2}[^()]*[A-Za-z]{2})[^()\n]{1,200}\)[.!*_\s]*$"
)
_PLACES = re.compile(
    r"\b(?:in|from|see|of|by)[ ](?:steps?|table|figure|page|section|part|equation|line|example)[ ]\(?\d{1,3}\)?(?![\d.,]?\d)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n")
#: `5'tir`: Turkish says "is" behind the number
_SUFFIX = re.compile(r"(?<=\d)'(?=[td][iıuü]r(?!\w))")
_SIGN_IN_WORDS = re.compile(r"(?<!\d )(?<![)\]}] )\b(?:minus|negative) (?=[$€£]?\d)", re.IGNORECASE)


def last_value(text: str) -> str | None:
    """The last number of a text with its unit, or the expression around it; None where there is no number.

    Of `48 + 24 = 72` it is 72, of `2 * 3` all of it, and of `2π` too: a number taken out of an expression is none.
    """
    text = _up_to_result(_in_words_and_numbers(without_remark(without_places(untypeset(text)))))
    formula = list(_OPEN_FORMULA.finditer(text))
    if formula and not re.search(r"\d", text[formula[-1].end() :]):
        return _after_equals(formula[-1][1] + _unit_behind(text[formula[-1].end() :]))
    words = text.split()
    backwards = range(len(words) - 1, -1, -1)
    numbered = (place for place in backwards if re.search(r"\d", words[place]) and not _is_unit(words[place]))
    last = next(numbered, None)
    if last is None:
        return None
    first = last
    while first > 0 and _goes_on_left(words, first):
        first -= 1
    while last + 1 < len(words) and _goes_on_right(words, last):
        last += 1
    run = _trimmed(_after_equals(" ".join(words[first : last + 1])))
    return (
        run + _unit_behind(" " + " ".join(words[last + 1 :]))
        if run and run == words[last].strip(_EDGES)
        else run or None
    )


def without_modulus(text: str) -> str:
    """The text without what its numbers are told by: of `3 \\pmod{7}` 3 is the value."""
    return _MODULUS.sub("", text)


def without_places(text: str) -> str:
    """The text without the numbers by which it refers to its own parts (`in step 3`), where it has others."""
    rest = _PLACES.sub("", text)
    return rest if re.search(r"\d", rest) else text


def without_remark(text: str) -> str:
    """The text without the brackets it ends in, where its last line gives a number before them."""
    before = _REMARK.sub("", text)
    return before if re.search(r"\d", before.rstrip().rpartition("\n")[2]) else text


def _up_to_result(text: str) -> str:
    """Without what the last sentence says behind `= 15 liters` and what that is of, unless it says the result anew."""
    start = max((found.end() for found in _SENTENCE.finditer(text.rstrip())), default=0)
    results = list(_COMES_TO.finditer(text, start))
    if not results or _SAID_ANEW.search(text, results[-1].start("more")):
        return text
    return text[: results[-1].end()]


def _in_words_and_numbers(text: str) -> str:
    """Numbers apart from unparted words, `1 234 567` in one piece, and "minus 2" as -2; "5 minus 2" stays."""
    text = _ARROW.sub(" = ", _CHANCE.sub(r"\1 \2/\3", joined_in_text(text)))
    text = _SUFFIX.sub(" ", _OUT_OF.sub(r"\1/\2", text))
    text = mixed_in_digits(_SIGN_IN_WORDS.sub("-", _BORDER.sub(" ", text)))
    return _THOUSANDS.sub(lambda found: found.group().replace(" ", ""), text)


def _is_unit(word: str) -> bool:
    """`m^2` and `cm²` hold a digit, and are no number."""
    return read_unit(word.strip(_EDGES + ".,;:?)")) is not None


def _after_equals(text: str) -> str:
    return _EQUALS.split(text)[-1].strip()


def _trimmed(text: str) -> str:
    """Without emphasis, closing points and brackets that open or close elsewhere."""
    text = text.strip(_EDGES).rstrip(".,;:?")
    for opening, closing in ("()", "[]"):
        if text.count(opening) < text.count(closing):
            text = text.rstrip(closing + ".,")
        if text.count(opening) > text.count(closing):
            text = text.lstrip(opening)
    return text.strip(_EDGES)


def _goes_on_left(words: list[str], first: int) -> bool:
    """Whether the word before belongs to the expression: it is an operator or ends in one, or opens its bracket."""
    word, before = words[first], words[first - 1]
    if _TEN_RAISED.match(word) and _TIMES.fullmatch(before):
        return True
    if _TIMES.fullmatch(word) and re.search(r"\d$", before):
        return True
    if _OPERATOR.fullmatch(before) or _OPERATOR_AT_END.search(before) or _OPERATOR_AT_START.match(word):
        return True
    if _OPERATOR.fullmatch(word) or words[max(0, first - 2) : first] == ["out", "of"]:
        return True
    if re.fullmatch(r"\d+/\d+[.,]?", word) and re.fullmatch(r"-?\d+", before):
        return True  # 1 3/4
    if re.fullmatch(r"(?:sqrt|ln|log|sin|cos|tan|√)", before):
        return True
    return (
        word.count(")") > word.count("(")
        and re.search(r"\d|[(\[]", before) is not None
        and before.endswith(",")
    )


def _goes_on_right(words: list[str], last: int) -> bool:
    """Whether the word behind belongs to the expression: it is an operator, or a factor such as π."""
    word, after = words[last], words[last + 1]
    if _OPERATOR_AT_START.match(after) and after != "-" and not word.endswith((".", ",")):
        return True
    return (
        re.fullmatch(r"(?:π|pi|√\S*|sqrt\S*|\\pi|\\sqrt\S*)[.,]?", after) is not None and word[-1:].isdigit()
    )


def _unit_behind(rest: str) -> str:
    """Scale and unit right behind a number: ` km`, ` million dollars`, ` percent`; ` dozen` too, which changes it."""
    rest = rest[:_LONGEST_UNIT]
    changed = _CHANGES.match(rest)
    if changed is not None:
        return f" {changed[1]}"
    for count in (4, 3, 2, 1):
        found = re.match(rf"\s+((?:[^\s\d]\S*\s*){{{count}}})(?=\s|$)", rest) or re.match(
            rf"\s+((?:[^\s\d]+\s*){{{count}}})", rest
        )
        said = found[1].strip().rstrip(".,;:!?") if found else ""
        one = as_quantity(f"1 {said}") if said else None
        if one is not None and (one.unit is not None or one.percent or one.value != 1):
            return f" {said}"
    return ""


def leading_value(text: str) -> str | None:
    """The number that a sentence begins with, with its unit: `72 clips because` is 72; `72 or 73` is no number."""
    text = _in_words_and_numbers(untypeset(text)).strip(_EDGES + "$")
    found = re.match(
        r"(?:about |approximately |exactly |around |roughly )?[-+]?[$€£¥₹]?\s?\d[\d.,]*\d|(?:[-+]?[$€£¥₹]?\d)",
        text,
    )
    if found is None:
        return None
    rest = text[found.end() :]
    if rest[:1] == "%":
        return text[: found.end() + 1]
    if re.match(r"\s?:\s?\d", rest) or (rest and not rest[0].isspace() and rest[0] not in ".,;:*)$،؛।"):
        return None
    plain = rest.lstrip("*)$")
    if (
        _HEDGE.match(plain)
        or _OPERATOR_AT_START.match(plain.lstrip())
        or re.match(r"\s*(?:π|pi\b|sqrt|√|\\)", plain)
    ):
        return None
    value = found.group().rstrip(".,") + _unit_behind(plain)
    return value if as_quantity(value) is not None else None
