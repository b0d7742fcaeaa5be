"""Finding the answer in a completion: after ####, in \\boxed{}, in <answer> tags, the last number, or all of it."""

from __future__ import annotations

import re
from collections.abc import Callable

from droid_tune.config.rewards import Extraction
from droid_tune.rewards.numbers import as_quantity, last_number

_TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")


def answer_of(spoken: str, extraction: Extraction, reference: str) -> str | None:
    """The answer in what a completion says after its thoughts, None where it gives none in the wanted place.

    `auto` tries ####, a box and the tags; failing these the last number where the reference is a number, else the
    whole text.
    """
    if extraction != "auto":
        return _PLACES[extraction](spoken)
    marked = marked_answer(spoken)
    if marked is not None:
        return marked
    return last_number(spoken) if as_quantity(reference) else spoken.strip()


def reference_of(answer: str, extraction: Extraction) -> str:
    """The answer that a row wants: what it marks itself (GSM8K's ####, a box, tags), else its text or last number."""
    marked = marked_answer(answer)
    if marked is not None:
        return marked
    if extraction == "last_number" and as_quantity(answer) is None:
        return last_number(answer) or answer.strip()
    return answer.strip()


def marked_answer(text: str) -> str | None:
    """What the text marks as its answer, None where it marks none."""
    for place in (after_hash, in_box, in_answer_tag):
        found = place(text)
        if found is not None:
            return found
    return None


def after_hash(text: str) -> str | None:
    """The rest of the line after the last `####`."""
    _, mark, rest = text.rpartition("####")
    line = rest.strip().split("\n", 1)[0].strip()
    return line if mark and line else None


def in_box(text: str) -> str | None:
    """What stands in the last `\\boxed{...}`, braces balanced; None where it never closes."""
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return None
    start = boxes[-1].end()
    depth = 1
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start:position].strip()
    return None


def in_answer_tag(text: str) -> str | None:
    """What stands in the last `<answer>...</answer>`; a mark or box inside it is opened too."""
    found = _TAG.findall(text)
    if not found:
        return None
    inner = str(found[-1]).strip()
    return in_box(inner) or after_hash(inner) or inner


_PLACES: dict[str, Callable[[str], str | None]] = {
    "hash": after_hash,
    "boxed": in_box,
    "answer_tag": in_answer_tag,
    "last_number": last_number,
    "whole": str.strip,
}
