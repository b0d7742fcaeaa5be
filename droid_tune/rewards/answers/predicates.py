"""What a sentence says of its subject: `entailment` of "The relation is entailment.", `no solution` of "It has no solution."."""

from __future__ import annotations

import re

from droid_tune.rewards.answers.languages import COPULAS, DENIALS, unparted_predicate

_LONGEST_SENTENCE = 400
_TAKEN_AS = r"(?:classif(?:y|ied)|label(?:l?ed)?|categori[sz]ed?|described?|rated?)\s+(?:\S+\s+){0,4}as"
_TO_BE = re.compile(
    rf"(?:.*\s)?(?:is|was|are|were|be|called|named|{_TAKEN_AS}|—|{'|'.join(COPULAS)})\s+(?P<what>[^.!?]{{2,60}})[.!]?",
    re.IGNORECASE,
)
_DOUBTED = re.compile(
    r"\b(?:not|cannot|never|no|nor|neither|nothing|or|may|maybe|might|could|perhaps|"
    rf"{'|'.join(DENIALS)})\b|n['’]t\b|\?",
    re.IGNORECASE,
)
_SUBJECT_WORDS = "it this that there they the these so thus hence therefore"
_SUBJECTS = frozenset(_SUBJECT_WORDS.split())
_VERBS = frozenset(("is", "are", "was", "were", "has", "have"))
_DENIES = frozenset(("cannot", "can't", "does", "doesn't", "do", "don't"))
_OPEN = re.compile(r"\b(?:or|may|maybe|might|perhaps|if|sure)\b|\?", re.IGNORECASE)
_FARTHEST_VERB = 6


def last_sentence(line: str) -> str:
    """The last sentence of a line."""
    return re.split(r"(?<=[.!?])\s", line)[-1]


def said_to_be(line: str) -> str:
    """`entailment` of a last sentence "The relation is entailment."; empty where it denies, doubts or leaves it open."""
    sentence = last_sentence(line)
    doubted = len(sentence) > _LONGEST_SENTENCE or _DOUBTED.search(sentence)
    found = None if doubted else _TO_BE.fullmatch(sentence.strip(" *_"))
    return found["what"] if found else unparted_predicate(sentence)


def predicate(line: str) -> str:
    """`no solution` of a last sentence "The equation has no solution.", `cannot be determined` of "It cannot be
    determined.": all that it says, so that what it denies stays denied; empty where it leaves it open."""
    sentence = last_sentence(line).strip(" *_")
    if len(sentence) > _LONGEST_SENTENCE or _OPEN.search(sentence):
        return ""
    said = re.sub(r"(?<=\w)['’]s(?=\s)", " is", sentence).split()
    if not said or said[0].lower().strip(",") not in _SUBJECTS:
        return ""
    for place, word in enumerate(said[1:_FARTHEST_VERB], start=1):
        if word.lower() in _VERBS | _DENIES:
            return " ".join(said[place + (word.lower() in _VERBS) :])
    return ""
