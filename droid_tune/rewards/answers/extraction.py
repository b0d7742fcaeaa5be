"""Finding the answer in a completion: what it marks, else what it states, else its last value or all of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from droid_tune.config.rewards import Extraction
from droid_tune.rewards.answers.compounds import same_units_joined
from droid_tune.rewards.answers.dates import as_date, only_date
from droid_tune.rewards.answers.equality import names_another
from droid_tune.rewards.answers.expressions import is_mathematical
from droid_tune.rewards.answers.marks import (
    Mark,
    bold_at_end,
    bold_in_last_line,
    boxes,
    hashes,
    is_finished,
    last_line,
    statements,
    strong_marks,
    tags,
    wordy_headings,
)
from droid_tune.rewards.answers.number_words import last_in_words
from droid_tune.rewards.answers.numbers import as_quantity, last_number
from droid_tune.rewards.answers.open_values import OPEN, without_open_values
from droid_tune.rewards.answers.predicates import last_sentence, predicate, said_to_be
from droid_tune.rewards.answers.retractions import behind_retraction
from droid_tune.rewards.answers.texts import normalised
from droid_tune.rewards.answers.truths import truth, truth_corrected, truth_said
from droid_tune.rewards.answers.typesetting import untypeset
from droid_tune.rewards.answers.values import last_value, leading_value, without_modulus
from droid_tune.rewards.answers.worded_parts import as_place, last_place, parts_in_digits, without_parts
from droid_tune.rewards.thoughts import after_thinking


def answers_of(spoken: str, extraction: Extraction, reference: str, *, cut_off: bool = False) -> list[str]:
    """The readings of a completion's answer, empty where it gives none in the wanted place.

    `spoken` is what follows the thoughts. `auto` takes the last mark (####, a box, tags), then a statement ("The answer is
    5"), then the last value where the reference is one, else the last line or the whole text. Of a text that was `cut_off`
    only a mark in a line that was finished counts: the rest might have gone on. A number that is denied or left open ("not
    42", "41 or 42") is no answer where a number is wanted.
    """
    if extraction != "auto":
        found = _PLACES[extraction](spoken, cut_off)
        return [] if found is None else [found]
    if _is_value(reference):
        spoken = behind_retraction(without_open_values(spoken))
    marked = _marked(spoken, reference, cut_off)
    if marked and truth(reference) is not None:
        corrected = truth_corrected(spoken)
        return marked if corrected is None else [str(corrected)]
    if marked:
        return marked
    return [] if cut_off else _unmarked(spoken, reference)


@lru_cache(maxsize=2048)
def reference_of(answer: str, extraction: Extraction) -> str:
    """The answer that a row wants: what it marks itself (GSM8K's ####, a box, tags, "The answer is:"), else its text. Its
    thoughts, where it is a model's answer, count no more than a completion's. Kept: rows come again.
    """
    answer = after_thinking(answer) or answer
    marked = strong_marks(answer) or wordy_headings(answer) or _stated_at_end(answer)
    if marked:
        return opened(marked[-1].content)
    if extraction == "last_number" and as_quantity(answer) is None:
        return last_number(answer) or answer.strip()
    bare = _ASIDE.sub("", answer.strip())
    return bare if as_quantity(bare) is not None else answer.strip()


def _stated_at_end(answer: str) -> list[Mark]:
    """ "The answer is: 5" as the last line of a worked reference."""
    found = statements(answer)
    return found if found and not answer[found[-1].end :].strip(" \n.*$") else []


def opened(content: str) -> str:
    """What stands in the marks inside a mark; a model that has collapsed writes `#### #### ####` without end."""
    for _ in range(_DEEPEST):
        inner = strong_marks(content)
        if not inner or inner[-1].content == content:
            break
        content = inner[-1].content
    stated = statements(untypeset(content))
    return stated[-1].content if stated else content


def _marked(spoken: str, reference: str, cut_off: bool) -> list[str]:
    """What the last mark says. A statement behind the last mark takes it back where it gives a value."""
    last = _last_finished(strong_marks(spoken), spoken, cut_off)
    stated = _last_finished(statements(spoken), spoken, cut_off)
    if last is not None:
        later = stated is not None and stated.start >= last.end
        corrected = value_in(stated.content) if stated and later and _is_value(reference) else None
        return [corrected] if corrected else [opened(last.content)]
    if stated is not None and _is_value(reference):
        return _value_of(stated, spoken, cut_off)
    if stated is not None:
        return _said(stated, spoken, reference)
    bold = None if cut_off else bold_in_last_line(spoken) if _is_value(reference) else bold_at_end(spoken)
    if bold is not None and (not _is_value(reference) or value_in(bold.content)):
        return (
            [value_in(bold.content) or bold.content]
            if _is_value(reference)
            else [bold.content, last_line(spoken)]
        )
    heading = _last_finished(wordy_headings(spoken), spoken, cut_off)
    return [heading.content] if heading is not None and not _is_value(reference) else []


def _value_of(mark: Mark, spoken: str, cut_off: bool) -> list[str]:
    """The number of a statement: all of it, the bold one of its sentence, its only one, or what the rest comes to.

    Under a heading stands a whole sentence ("Janet makes **$18** a day"), and after "The answer is the sum of both" the sum.
    """
    bold = bold_in_last_line(mark.content)
    value = value_in(mark.content) or (value_in(bold.content) if bold is not None else None)
    if value is not None:
        return [value]
    numbers = {word for word in mark.content.split() if re.search(r"\d", word)}
    if mark.under or (len(numbers) == 1 and not _NO_ANSWER.search(mark.content)):
        value = last_value(mark.content)
    elif not cut_off:
        value = last_value(spoken[mark.end :])
    return [value or mark.content]


def _said(mark: Mark, spoken: str, reference: str) -> list[str]:
    """A statement's sentence, or its line where that is the reference."""
    line = spoken[: mark.end].rsplit("\n", 1)[-1]
    rest = spoken[mark.end :].split("\n", 1)[0]
    whole = (mark.content + rest).strip() if mark.content and mark.content in line else mark.content
    wanted = truth_said(mark.content.split(",")[0]) if truth(reference) is not None else None
    return [mark.content, whole] if wanted is None else [str(wanted)]


def value_in(content: str) -> str | None:
    """The number that a statement gives: all of it or of its first clause, what follows its last `=`, or what it begins with."""
    for text in (content, _CLAUSE.split(content, maxsplit=1)[0], content.rpartition("=")[2]):
        if as_quantity(text) is not None:
            return text.strip()
    return leading_value(content.rpartition("=")[2])


def _is_value(reference: str) -> bool:
    return as_quantity(reference) is not None or same_units_joined(reference) is not None


def _unmarked(spoken: str, reference: str) -> list[str]:
    """Without a mark: the last value, the last yes or no, or the last line and the whole text."""
    if _is_value(reference):
        sentence = last_sentence(last_line(spoken))
        whole = spoken.strip() if as_quantity(spoken) is not None else None
        value = whole or last_value(without_modulus(spoken)) or _in_words(sentence)
        if value is None and as_place(reference) is not None:
            value = last_place(sentence)
        return [] if value is None else _without_exclamation(value, spoken)
    if truth(reference) is not None:
        said = truth_said(spoken)
        return [str(said)] if said is not None else [spoken.strip()]
    value = (
        last_value(spoken) if is_mathematical(reference) and not names_another(spoken, reference) else None
    )
    texts = [
        spoken.strip(),
        last_line(spoken),
        *last_formula(spoken),
        value or "",
        said_to_be(last_line(spoken)),
        predicate(last_line(spoken)),
        *_only_field(spoken),
        only_date(last_sentence(last_line(spoken))) if as_date(normalised(reference)) else "",
    ]
    return list(dict.fromkeys(text for text in texts if text))


def _only_field(spoken: str) -> list[str]:
    """`positive` of an object with one field: `{"sentiment": "positive"}`."""
    fields = _OBJECT.findall(spoken)
    return [fields[-1]] if fields and spoken.strip(" `\n").endswith("}") else []


def _without_exclamation(value: str, spoken: str) -> list[str]:
    """`12!` behind a sentence is 12, of which nobody writes the factorial; `3!` and what stands in a formula stays one."""
    calls = re.fullmatch(r"[$€£]?\d[\d,.]*\d!+", value) is not None and f"{value}$" not in spoken
    return [value, value.rstrip("!")] if calls else [value]


def _in_words(sentence: str) -> str | None:
    """The number in words of a text without digits: the sentence itself, or the only one in it, unless others are left open."""
    if OPEN in sentence:
        return None
    if as_quantity(sentence) is not None:
        return sentence
    return last_in_words(without_parts(sentence)) or last_value(parts_in_digits(sentence))


_OBJECT = re.compile(
    r"\{\s{0,9}[\"']\w{1,40}[\"']\s{0,9}:\s{0,9}[\"']([^\"'{}]{1,200})[\"']\s{0,9},?\s{0,9}\}"
)
#: `5 (five)` and `3.14 (rounded)`
_ASIDE = re.compile(r"(?<=\S)\s{1,9}\([^()\d]{3,60}\)\Z")
#: what makes of the number behind it a bound, or the number of a page
_NO_ANSWER = re.compile(
    r"\b(?:than|but|least|most|up to|over|under|above|below|within|(?:in|see|on)(?: \w+)?|steps?|table|figure|page|section"
    r"|part|problem|question|example|equation|case|line) [$€£]?\d",
    re.IGNORECASE,
)
#: where "The answer is 12, since 12 - 5 = 7" goes on to say why
_CLAUSE = re.compile(r",(?!\d)|;|\s\(|\s(?:because|since|as|pois|porque|weil|denn|car)\s", re.IGNORECASE)
_DEEPEST = 8
_FORMULA = re.compile(r"\$\$?([^$\n]+)\$\$?[.!\s]*$")


def last_formula(text: str) -> list[str]:
    """The formula in which a text ends."""
    found = _FORMULA.search(untypeset(text))
    return [found[1]] if found else []


def _last_finished(marks: Sequence[Mark], text: str, cut_off: bool) -> Mark | None:
    return next((mark for mark in reversed(marks) if not cut_off or is_finished(text, mark)), None)


def _last(marks: Sequence[Mark], text: str, cut_off: bool) -> str | None:
    found = _last_finished(marks, text, cut_off)
    return None if found is None else opened(found.content)


def _hash(text: str, cut_off: bool) -> str | None:
    return _last(list(hashes(text)) or wordy_headings(text), text, cut_off)


_PLACES: dict[str, Callable[[str, bool], str | None]] = {
    "hash": _hash,
    "boxed": lambda text, cut_off: _last(list(boxes(text)), text, cut_off),
    "answer_tag": lambda text, cut_off: _last(list(tags(text)), text, cut_off),
    "last_number": lambda text, cut_off: None if cut_off else last_number(text),
    "whole": lambda text, _: text.strip(),
}
