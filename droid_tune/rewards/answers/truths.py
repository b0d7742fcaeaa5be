"""Yes and no, true and false, as a whole text and in one, in English and in other languages."""

from __future__ import annotations

import re

from droid_tune.rewards.answers.languages import TRUTHS
from droid_tune.rewards.answers.texts import normalised

_TRUTHS = {"yes": True, "true": True, "no": False, "false": False, **TRUTHS}
_TRUE = ("true", "correct", "right")
_ANY = "|".join(sorted(_TRUTHS, key=len, reverse=True))
_CORRECTION = r"(?:wait|actually|oops|sorry|hmm|correction|scratch that)"
_INTERJECTION = rf"(?:(?:indeed|nope|yep|yeah|well|so|hence|therefore|thus|{_CORRECTION})[,:]?\s)?"
_TRUTH_SAID = re.compile(
    rf"(?:^|[.!?:;\n。])[\s*_\"'$#]{{0,40}}{_INTERJECTION}({_ANY})"
    r"(?!\w)[*_\"'$]*(?=\s*(?:$|[.,;:!—–\n，。、！]|-\s))",
    re.IGNORECASE,
)
#: "Wait, no." behind an answer
_TRUTH_CORRECTED = re.compile(
    rf"(?:^|[.!?:;\n。}})…])[\s*_\"']{{0,40}}(?:(?:but|no)[,.]?\s)?{_CORRECTION}[,.:!…—–-]{{0,3}}\s(?:no,?\swait,?\s)?"
    r"(?:(?:it|that|the\sanswer)(?:['’]s|\s(?:is|was|should\sbe))\s)?[*_\"']{0,3}"
    rf"({_ANY})(?!\w)(?=[*_\"'.,;:!—–\s]*(?:$|[.,;:!—–\n]))",
    re.IGNORECASE,
)
_TRUTH_AT_END = re.compile(
    r"(?:\b(?:is|are|was|were)|['’]s)(?P<denied>\s+not\b|n['’]t\b)?[\s*_]+"
    r"(?P<said>true|false|correct|incorrect|right|wrong)\b[*_]*[.!]?\s*$",
    re.IGNORECASE,
)


def truth(text: str) -> bool | None:
    """Yes and true, no and false; None for every other text."""
    return _TRUTHS.get(normalised(text))


def truth_said(text: str) -> bool | None:
    """The last yes or no with which a sentence of the text begins, or that stands alone or ends it ("it is true")."""
    corrected = truth_corrected(text)
    if corrected is not None:
        return corrected
    found = _TRUTH_SAID.findall(text)
    if found:
        return _TRUTHS[found[-1].lower()]
    ends = _TRUTH_AT_END.search(text)
    return None if ends is None else (ends["said"].lower() in _TRUE) is (ends["denied"] is None)


def truth_corrected(text: str) -> bool | None:
    """The yes or no by which a text corrects itself behind all others that it says: "The answer is yes. Wait, no."."""
    found = list(_TRUTH_CORRECTED.finditer(text))
    if not found or _TRUTH_SAID.search(text, found[-1].end()) or "answer" in text[found[-1].end() :].lower():
        return None
    return _TRUTHS[found[-1][1].lower()]
