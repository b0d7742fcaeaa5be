"""What a text marks as its answer: `#### 5`, `\\boxed{5}`, `<answer>5</answer>`, "The answer is 5", `**5**` at its end.

The first three are said to be marks by whoever trains; the others are how people and models write answers anyway.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

from droid_tune.rewards.answers.languages import (
    answer_statements,
    answer_words,
    plain_answer_words,
    surely_without,
)

#: the second is that of GLM's vocabulary
_TAGS = {"<answer>": "</answer>", "<|begin_of_box|>": "<|end_of_box|>"}
_TAG = re.compile("|".join(map(re.escape, [*_TAGS, *_TAGS.values()])), re.IGNORECASE)
_BOX = re.compile(r"\\f?boxed\s*|\\fbox\s*")
_BARE_BOX = re.compile(r"[ ]?([^\s{}$\\.,;]+)")
#: `{"answer": 18}`, as JSON and Python write it
_KEYED = re.compile(
    r"[{,\[]\s*[\"'](?:final[_ ]?)?answer[\"']\s*:\s*"
    r"(?:\"(?P<double>(?:[^\"\\\n]|\\.)*)\"|'(?P<single>[^'\n]*)'|(?P<bare>-?\d[\d.eE+-]*|true|false))\s*(?=[,}\]\n])",
    re.IGNORECASE,
)
_HASH = re.compile(r"(?<!#)####(?!#)[ \t]*([^\n]*)")
_ANSWER_WORD = r"(?:answer|(?:final|end)\s+(?:result|value))"
#: a heading or label that the answer stands under or behind
_LABEL_LINE = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*)?[*_]*(?:the\s+)?(?:final\s+|correct\s+)?"
    rf"(?:{_ANSWER_WORD}|{answer_words()}|result)[*_]*+[ \t]*+:?[*_]*+[ \t]*+$",
    re.IGNORECASE | re.MULTILINE,
)
_IN_ENGLISH = (
    rf"\b{_ANSWER_WORD}[*_`]*+(?:\s++to\s+[^.\n]{{1,60}}?)?[*_`\s]*+"
    r"(?:(?:is|=|:|would\s+be|must\s+be|should\s+be)(?![\w'])[*_`:]*[ \t]*)+:?"
)
_STATEMENT = re.compile(
    rf"{_IN_ENGLISH}|{answer_statements()}"
    r"|答案(?:是|为|：|:)[：:]?|(?:答え|正解|答案)は[：:]?|(?:정답|답)[은는][ ]?[：:]?",
    re.IGNORECASE,
)
#: all that there is to be found in ASCII without another language's word, in a twentieth of the time
_ENGLISH_STATEMENT = re.compile(_IN_ENGLISH, re.IGNORECASE)
_FOREIGN_WORDS = plain_answer_words()
#: "42 is the answer"
_SAID_BEFORE = re.compile(
    r"(?<![\w.,/])([-+]?[$€£]?\d(?:[\d,./]*\d)?%?)[$*]*\s+is\s+(?:therefore\s+|thus\s+)?(?:the|my|our)\s+"
    r"(?:final\s+|correct\s+)?answer\b(?!\s*[:=])",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=[\s*_\"'$)]*(?:$|\s))|[。！？।]")
_ABBREVIATION = re.compile(r"(?:\b(?:[A-Za-z]\.[A-Za-z]|St|Dr|Mr|Mrs|Ms|No|vs|approx|Rs|in|ft|sq|cu)|\.\.)$")
_LONGEST_ABBREVIATION = 8
#: in characters: a sentence that says more is no answer, nor is a box that holds more
_LONGEST_SAID, _LONGEST_BOX = 2_000, 10_000
_LINE = re.compile(r"[^\n]+")
_BOLD = re.compile(r"\*\*([^*\n]{1,80})\*\*")
_NOTHING = re.compile(r"[\s$*_.,;:!)\]}\"'`]*")
_LINK = re.compile(r"[\s$]*(,|;|and|or|,\s*and|,\s*or)[\s$]*(?:[a-zA-Z]\s*=\s*)?")
_FENCE = re.compile(r"\s*(?:(?:\$\$|\\\[|```\w*|---+)\s*)?")
_WORDS = re.compile(r"[^\W\d_]{2,}")
_SUPPOSED = re.compile(r"\b(?:if|had|were|suppose|otherwise|instead)\b", re.IGNORECASE)
_DENIED = re.compile(
    r"(?:not|unknown|unclear|none of|obvious|clear|either|between|wrong|correct)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Mark:
    """A marked answer, where its mark begins and where its content ends.

    `closed`: it cannot go on behind that; `under`: it is the sentence under a heading.
    """

    content: str
    start: int
    end: int
    closed: bool = True
    under: bool = False


def strong_marks(text: str) -> list[Mark]:
    """####, boxes, tags and JSON's `answer` with content, in the order of the text. A heading of words is none while text
    follows it.
    """
    found = [*_together(text, list(boxes(text))), *tags(text), *hashes(text), *keyed(text)]
    return sorted(found, key=lambda mark: mark.start)


def _together(text: str, found: list[Mark]) -> list[Mark]:
    """Boxes with nothing but a comma, "and" or "or" between them are one answer: `\\boxed{2} and \\boxed{3}`."""
    joined: list[tuple[list[str], Mark]] = []  # what they say together, and the last of them
    for box in found:
        link = _LINK.fullmatch(text, joined[-1][1].end, box.start) if joined else None
        if link is None:
            joined.append(([box.content], box))
        else:
            said = joined.pop()[0]
            said += [link[1], box.content]
            joined.append((said, box))
    return [replace(box, content=" ".join(said)) for said, box in joined]


def boxes(text: str) -> Iterator[Mark]:
    """Every `\\boxed{...}` that closes, braces balanced, and `\\boxed 5`."""
    closes = _closing_braces(text) if "boxed" in text or "\\fbox" in text else {}
    for box in _BOX.finditer(text):
        if text[box.end() : box.end() + 1] != "{":
            bare = _BARE_BOX.match(text, box.end())
            if bare is not None:
                yield Mark(bare[1], box.start(), bare.end(), closed=False)
            continue
        end = closes.get(box.end())
        if end is not None and end - box.end() <= _LONGEST_BOX and text[box.end() + 1 : end].strip():
            yield Mark(text[box.end() + 1 : end].strip(), box.start(), end + 1)


def _closing_braces(text: str) -> dict[int, int]:
    """Where each brace that opens is closed."""
    opened: list[int] = []
    closes: dict[int, int] = {}
    for brace in re.finditer(r"[{}]", text):
        if brace.group() == "{":
            opened.append(brace.start())
        elif opened:
            closes[opened.pop()] = brace.start()
    return closes


def tags(text: str) -> Iterator[Mark]:
    """Every `<answer>...</answer>`."""
    found = [(tag.group().lower(), tag.start(), tag.end()) for tag in _TAG.finditer(text)]
    last = {kind: start for kind, start, _ in found}  # what is opened behind its last end is never closed
    opened, begun, inside = "", 0, 0
    for kind, start, end in found:
        if opened and kind == _TAGS[opened]:
            if text[inside:start].strip():
                yield Mark(text[inside:start].strip(), begun, end)
            opened = ""
        elif not opened and kind in _TAGS and last.get(_TAGS[kind], -1) > start:
            opened, begun, inside = kind, start, end


def keyed(text: str) -> Iterator[Mark]:
    """What objects hold under `answer` or `final_answer`; a box in it is a mark of its own."""
    for found in _KEYED.finditer(text):
        said = found["double"] or found["single"] or found["bare"] or ""
        if said.strip() and "boxed" not in said:
            start = found.start(str(found.lastgroup))
            yield Mark(said.replace('\\"', '"').replace("\\\\", "\\").strip(), start, found.end())


def hashes(text: str) -> Iterator[Mark]:
    """Every `####` that gives an answer: behind it, or in the line under a heading such as `#### Final Answer`."""
    for mark in _HASH.finditer(text):
        line = mark[1].strip()
        under = next_line(text, mark.end())
        if not line or _LABEL_LINE.fullmatch(line):
            if under is not None:
                yield Mark(under.content, mark.start(), under.end, closed=False)
        elif under is None or not _WORDS.search(_unworded(line)) or _counts(line):
            yield Mark(_behind_label(line), mark.start(), mark.end(), closed=False)


def wordy_headings(text: str) -> list[Mark]:
    """Every `####` with words behind it: an answer in words, or a heading."""
    found = [Mark(mark[1].strip(), mark.start(), mark.end(), closed=False) for mark in _HASH.finditer(text)]
    return [mark for mark in found if mark.content]


def _unworded(line: str) -> str:
    """The line without LaTeX's commands and words in braces."""
    return re.sub(r"\\(?:text\w*|mathrm|mathbf|mbox)\s*\{[^{}]*\}|\\[a-zA-Z]+", "", line)


def _counts(line: str) -> bool:
    """`72 clips`, `$5 million`, `5 km`: a number comes first, and no heading numbers itself without a point."""
    return re.match(r"[-+]?[$€£]?\d[\d,./]*%?\s+[a-z]", line) is not None


def _behind_label(line: str) -> str:
    found = _STATEMENT.match(line)
    return line[found.end() :].strip() if found and line[found.end() :].strip() else line


def next_line(text: str, start: int) -> Mark | None:
    """The first line behind `start` that holds more than a fence."""
    for line in _LINE.finditer(text, start):
        if not _FENCE.fullmatch(line.group()):
            return Mark(line.group().strip(), line.start(), line.end(), closed=False)
    return None


def statements(text: str) -> list[Mark]:
    """ "The answer is 5." and `**Answer:** 5` and the line under `Final Answer`, in the order of the text."""
    found: list[Mark] = []
    pattern = _ENGLISH_STATEMENT if surely_without(text, _FOREIGN_WORDS) else _STATEMENT
    for statement in pattern.finditer(text):
        if _supposes(text, statement):
            continue
        line = _rest_of_line(text, statement.end())
        said = sentence_of(line)
        if line.strip(" *_:$") and not _DENIED.match(line.strip(" *_")):
            found.append(Mark(said.strip(), statement.start(), statement.end() + len(said), closed=False))
        elif not line.strip(" *_:$"):
            found.extend(_under(text, statement.start(), statement.end() + len(line)))
    said_before = (Mark(one[1], one.start(), one.end(), closed=False) for one in _SAID_BEFORE.finditer(text))
    return sorted([*found, *_labelled(text, found), *said_before], key=lambda mark: mark.start)


def _labelled(text: str, stated: list[Mark]) -> Iterator[Mark]:
    """What stands under the labels that are not part of a statement, or of what stands under a label before."""
    starts, reach = [mark.start for mark in stated], [*accumulate((mark.end for mark in stated), max)]
    under_end = -1
    for label in _LABEL_LINE.finditer(text):
        before = bisect_right(starts, label.end())
        if label.end() > max(under_end, reach[before - 1] if before else -1):
            for mark in _under(text, label.start(), label.end()):
                under_end = mark.end
                yield mark


def _rest_of_line(text: str, start: int) -> str:
    """What a line says behind `start`, as far as an answer goes."""
    end = text.find("\n", start, start + _LONGEST_SAID)
    return text[start : end if end >= 0 else start + _LONGEST_SAID]


def _supposes(text: str, statement: re.Match[str]) -> bool:
    """ "If there were 14, the answer would be 14": of another question."""
    if "would" not in statement.group().lower():
        return False
    before = text[max(0, statement.start() - _LONGEST_SAID) : statement.start()]
    return _SUPPOSED.search(re.split(r"[.!?]\s|\n", before)[-1]) is not None


def _under(text: str, start: int, line_end: int) -> Iterator[Mark]:
    under = next_line(text, line_end)
    if under is not None:
        yield Mark(sentence_of(under.content[:_LONGEST_SAID]), start, under.end, closed=False, under=True)


def sentence_of(line: str) -> str:
    """The line up to the end of its first sentence; the points of `3.5` and `U.S.` end none."""
    for end in _SENTENCE_END.finditer(line):
        before = max(0, end.start() - _LONGEST_ABBREVIATION)
        if not _ABBREVIATION.search(line, before, end.start()) or not line[end.end() :].strip():
            return line[: end.start()]
    return line


def bold_at_end(text: str) -> Mark | None:
    """The last bold words, where only punctuation follows them."""
    found = list(_BOLD.finditer(text))
    if not found or found[-1][1].rstrip().endswith(":") or not _NOTHING.fullmatch(text[found[-1].end() :]):
        return None
    return Mark(found[-1][1].strip(), found[-1].start(), found[-1].end())


def bold_in_last_line(text: str) -> Mark | None:
    """The last bold words of the last line."""
    line = last_line(text)
    found = list(_BOLD.finditer(line))
    start = text.rfind(line)
    return Mark(found[-1][1].strip(), start + found[-1].start(), start + found[-1].end()) if found else None


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if not _FENCE.fullmatch(line)]
    return lines[-1] if lines else ""


def is_finished(text: str, mark: Mark) -> bool:
    """Whether a text that was cut off had finished a mark's sentence or line: half a number is none, nor is "5, but wait"."""
    line_end = text.find("\n", mark.end)
    end = line_end if line_end >= 0 else len(text)
    if _SENTENCE_END.match(text, mark.end, end):
        return True
    return _NOTHING.fullmatch(text, mark.end, end) is not None and (mark.closed or line_end >= 0)
