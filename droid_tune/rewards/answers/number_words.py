"""Numbers that English writes in words: `twenty-one`, `two hundred and five`, `a dozen`."""

from __future__ import annotations

import re

_SMALL_NAMES = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen
"""
SMALL = {name: value for value, name in enumerate(_SMALL_NAMES.split())}
_TENS_NAMES = "twenty thirty forty fifty sixty seventy eighty ninety"
TENS = {name: 10 * value for value, name in enumerate(_TENS_NAMES.split(), start=2)}
_LARGE = {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_WORDS = "|".join(sorted({*SMALL, *TENS, *_LARGE, "hundred", "dozen"}, key=len, reverse=True))
#: the pattern of a number in words
WORDED = rf"(?:an?[ ])?(?:{_WORDS})(?:(?:[ ]|-|[ ]and[ ])(?:{_WORDS})){{0,20}}"
_NUMBER = re.compile(rf"{WORDED}(?![\w-])(?![ ](?:and|or|point|to)\b)", re.IGNORECASE)
_IN_TEXT = re.compile(rf"(?<![\w-])((?:minus|negative)[ ])?{_NUMBER.pattern}", re.IGNORECASE)
_SIGN = re.compile(r"(?:minus|negative)[ ]", re.IGNORECASE)
_ALONE_A_PRONOUN = ("one",)


def in_digits(text: str) -> str:
    """A text that begins with a number in words, with that number in digits: `three apples` is `3 apples`."""
    sign = _SIGN.match(text)
    start = sign.end() if sign else 0
    found = _NUMBER.match(text, start)
    value = value_of_words(found.group()) if found else None
    if found is None or value is None or not _counts(text[found.end() :]):
        return text
    return f"{'-' if sign else ''}{value}{text[found.end() :]}"


def _counts(rest: str) -> bool:
    """Whether what is counted is written small: `seven dwarfs`, but not the film `Seven Samurai`."""
    return rest == rest.lower()


def last_in_words(sentence: str) -> str | None:
    """The only number in words of a sentence, in digits; None for several, and for a lone "one", which is mostly no number."""
    found = list(_IN_TEXT.finditer(sentence))
    if len(found) != 1 or found[0].group().lower() in _ALONE_A_PRONOUN:
        return None
    sign = found[0][1] or ""
    value = value_of_words(found[0].group().removeprefix(sign))
    return (
        f"{'-' if sign else ''}{value}"
        if value is not None and _counts(sentence[found[0].end() :].split(",")[0])
        else None
    )


def value_of_words(words: str) -> int | None:
    """The value of number words in the order in which English says them; None for `two three`."""
    total = group = 0
    last = 100  # the next word of a group is smaller
    for word in re.split(r"[ -]+", words.lower()):
        if word in ("a", "an", "and"):
            continue
        small = SMALL.get(word, TENS.get(word))
        if small is not None:
            if small >= last:
                return None
            group += small
            last = 10 if word in TENS else 0
        elif word == "hundred":
            group, last = (group or 1) * 100, 100
        elif word == "dozen":
            group, last = (group or 1) * 12, 0
        else:
            total, group, last = total + (group or 1) * _LARGE[word], 0, 100
    return total + group
