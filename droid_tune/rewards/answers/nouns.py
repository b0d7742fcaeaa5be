"""What is counted: `30 oranges` are not `30 apples`, but pupils may be students and fruits apples."""

from __future__ import annotations

import re

#: words for whatever is counted, and for people, of whom the same ones are called many names
_GENERAL_WORDS = """
    articles animals copies fruits items numbers objects others parts people persons pieces things times units vehicles ways
    adults boys customers employees friends girls guests kids members participants passengers players pupils students teachers
    visitors workers
"""
_GENERAL = frozenset(_GENERAL_WORDS.split())
_RELATION = re.compile(r"\s(?:of|in|for|per|from|to|with|at|on|each|left|more|total|altogether|remaining)\b")
#: of a word, in letters: shorter ones say too little about what they have in common
_LEAST_LETTERS = 4
_ALIKE = 3


def nouns_contradict(left: str, right: str) -> bool:
    """Whether two phrases name different things: both are plurals, neither a general word, and they share no word or stem.

    `red apples` and `apples`, `clips` and `paperclips`, `cups` and `cupfuls` may be the same.
    """
    if not left or not right:
        return False
    one, other = (_RELATION.split(phrase.lower())[0].split() for phrase in (left, right))
    if not (_is_plural(one) and _is_plural(other)):
        return False
    everything = (left.lower().split(), right.lower().split())
    return not any(_alike(first, second) for first in everything[0] for second in everything[1])


def _is_plural(phrase: list[str]) -> bool:
    head = phrase[-1] if phrase else ""
    return (
        len(head) >= _LEAST_LETTERS
        and head.endswith("s")
        and not head.endswith("ss")
        and head not in _GENERAL
    )


def _alike(one: str, other: str) -> bool:
    short, long = sorted((one.removesuffix("s"), other.removesuffix("s")), key=len)
    return short[:_ALIKE] == long[:_ALIKE] or (len(short) >= _ALIKE and short in long)
