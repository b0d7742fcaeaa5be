"""A four-part score for worked solutions where no single answer can be checked.

20 % length against the reference, 30 % formulas and notation, 30 % key terms, 20 % structure; each from 0 to 1 and reported
by name. The reference is the row's `solution`, else its `answer`. A bare answer ("72") says nothing about length: that part is
left out and the others share its weight; the key terms are then those of the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from droid_tune.rewards.base import NEVER_ENDED, EachReward, Graded, Sample, reference_text
from droid_tune.word_split import words

WEIGHTS = {"length": 0.2, "notation": 0.3, "terms": 0.3, "structure": 0.2}

_BARE_WORDS = 5
_KEY_TERM_LETTERS = 4
_ENOUGH_FORMULAS = 3

_NOTATION = {
    "equation": re.compile(r"[^=<>!]=[^=]"),
    "arithmetic": re.compile(r"\d\s*[-+*/×÷·]\s*\d"),
    "inequality": re.compile(r"[<>≤≥≠]|\\(?:leq?|geq?|neq)\b"),
    "power or root": re.compile(r"\^|\*\*|[²³√]|\\sqrt"),
    "fraction": re.compile(r"\\[dt]?frac|\d\s*/\s*\d"),
    "symbol": re.compile(r"[∑∫∏π∞°∂∈]|\\(?:sum|int|prod|pi|infty|circ|partial|in)\b"),
    "typeset": re.compile(r"\$[^$]+\$|\\[(\[]"),
}
_FORMULA = re.compile(r"[^\s=]\s*=\s*[^\s=]|\d\s*[-+*/×÷·^]\s*\d|\\[a-zA-Z]+")

_STEP = re.compile(
    r"^\s*(?:\d+[.)]|[-*•])\s|\b(?:step|first|second|next|then|finally|because|since)\b|首先|然后|接着|其次|最后",
    re.IGNORECASE | re.MULTILINE,
)
_CONCLUSION = re.compile(
    r"####|\\boxed|<answer>|\b(?:therefore|thus|hence|answer|in total|altogether)\b|∴|因此|所以|答案",
    re.IGNORECASE,
)
_ENDED = re.compile(r"(?:[.!?。！？।؟۔)\]}>$*]|\d)\s*$")
_SENTENCE = re.compile(r"[.!?。！？]\s|\n|[。！？।؟۔]")

_COMMON_WORD = re.compile(
    "about|after|again|also|because|been|before|both|does|each|from|have|here|into|just|many|more|most|much|only|other"
    "|over|same|should|some|such|than|that|their|them|then|there|these|they|this|those|thus|very|were|what|when|where"
    "|which|while|will|with|would|your"
)


def math_heuristic_reward() -> EachReward:
    """The reward of its four parts; each is reported by name."""
    return EachReward(judge)


def judge(sample: Sample) -> Graded | None:
    """Not applicable to a row without `solution` or `answer`; thoughts that never end are no solution."""
    reference = solution_of(sample.row)
    if reference is None:
        return None
    if sample.spoken is None:
        return Graded(0.0, why=NEVER_ENDED)
    bare = len(words(reference)) < _BARE_WORDS
    parts = {
        "notation": notation(sample.completion, "" if bare else reference),
        "structure": structure(sample.completion),
    }
    terms = key_terms(sample.prompt if bare else reference)
    if terms:
        parts["terms"] = coverage(sample.completion, terms)
    if not bare:
        parts["length"] = length_fit(sample.completion, reference)
    weight = sum(WEIGHTS[name] for name in parts)
    return Graded(sum(WEIGHTS[name] * value for name, value in parts.items()) / weight, parts)


def solution_of(row: Mapping[str, Any]) -> str | None:
    """The worked solution to compare with: the row's `solution`, else its answer."""
    return reference_text(row, "solution") or reference_text(row)


def length_fit(completion: str, reference: str) -> float:
    """The shorter one's words over the longer one's."""
    spoken, wanted = len(words(completion)), len(words(reference))
    return min(spoken, wanted) / max(spoken, wanted, 1)


def notation(completion: str, reference: str) -> float:
    """The share of the reference's kinds of notation that are used; without any there, three formulas are enough."""
    kinds = [pattern for pattern in _NOTATION.values() if pattern.search(reference)]
    if kinds:
        return sum(bool(pattern.search(completion)) for pattern in kinds) / len(kinds)
    return min(1.0, len(_FORMULA.findall(completion)) / _ENOUGH_FORMULAS)


def key_terms(text: str) -> frozenset[str]:
    """Words that carry meaning: long ones that are not among the commonest, and every letter of unspaced scripts."""
    return frozenset(
        word
        for word in words(text)
        if not word.isascii()
        or (len(word) >= _KEY_TERM_LETTERS and word.isalpha() and not _COMMON_WORD.fullmatch(word))
    )


def coverage(completion: str, terms: frozenset[str]) -> float:
    """Share of the terms that the completion uses, 0 to 1; `terms` must not be empty."""
    return len(terms & set(words(completion))) / len(terms)


def structure(completion: str) -> float:
    """A quarter each for several sentences or lines, words that mark steps, a stated conclusion, and an ending."""
    text = completion.strip()
    marks = (
        len([part for part in _SENTENCE.split(text) if part.strip()]) >= 2,
        bool(_STEP.search(text)),
        bool(_CONCLUSION.search(text)),
        bool(_ENDED.search(text)),
    )
    return sum(marks) / len(marks)
