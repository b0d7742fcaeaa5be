"""What a text marks as its answer: `#### 5`, `\\boxed{5}`, `<answer>5</answer>`, "The answer is 5", `**5**` at its end.

The first three are said to be marks by whoever trains; the others are how people and models write answers anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: the second is that of GLM's vocabulary
_TAG = re.compile(
    r"<answer>(?P<said>.*?)</answer>|<\|begin_of_box\|>(?P<in_box>.*?)<\|end_of_box\|>",
    re.DOTALL | re.IGNORECASE,
)
_BOX = re.compile(r"\\f?boxed\s*|\\fbox\s*")
_BARE_BOX = re.compile(r"[ ]?([^\s{}$\\.,;]+)")
#: `{"answer": 18}`, as JSON and Python write it
_KEYED = re.compile(
    r"[{,\[]\s*[\"'](?:final[_ ]?)?answer[\"']\s*:\s*"
    r"(?:\"(?P<double>(?:[^\"\\\n]|\\.)*)\"|'(?P<single>[^'\n]*)'|(?P<bare>-?\d[\d.eE+-]*|true|false))\s*(?=[,}\]\n])",
    re.IGNORECASE,
)
_HASH = re.compile(r"(?<!#)####(?!#)[ \t]*([^\n]*)")
_ANSWER_WORD = r"(?:answer|antwort|respuesta|réponse|risposta|ответ|(?:final|end)\s+(?:result|value))"
#: a heading or label that the answer stands under or behind
_LABEL_LINE = re.compile(
    rf"^[ \t]*(?:#{{1,6}}[ \t]*)?[*_]*(?:the\s+)?(?:final\s+|correct\s+)?(?:{_ANSWER_WORD}|result)[*_]*[ \t]*:?[*_]*[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_STATEMENT = re.compile(
    rf"\b{_ANSWER_WORD}[*_`]*(?:\s+to\s+[^.\n]{{1,60}}?)?[*_`\s]*"
    r"(?:(?:is|=|:|would\s+be|must\s+be|should\s+be|ist|es|est|è|будет)(?![\w'])[*_`:]*[ \t]*)+:?"
    r"|答案(?:是|为|：|:)[：:]?|(?:答え|正解|答案)は[：:]?|(?:정답|답)[은는][ ]?[：:]?",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=[\s*_\"'$)]*(?:$|\s))|[。！？]")
_ABBREVIATION = re.compile(r"(?:\b(?:[A-Za-z]\.[A-Za-z]|St|Dr|Mr|Mrs|Ms|No|vs|approx|Rs|in|ft|sq|cu)|\.\.)$")
_BOLD = re.compile(r"\*\*([^*\n]{1,80})\*\*")
_NOTHING = re.compile(r"[\s$*_.,;:!)\]}\"'`]*")
_LINK = re.compile(r"[\s$]*(,|;|and|or|,\s*and|,\s*or)[\s$]*(?:[a-zA-Z]\s*=\s*)?")
_FENCE = re.compile(r"\s*(?:\$\$|\\\[|```\w*|---+)?\s*")
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
    joined: list[Mark] = []
    for box in found:
        between = text[joined[-1].end : box.start] if joined else ""
        link = _LINK.fullmatch(between) if joined else None
        if link is None:
            joined.append(box)
        else:
            first = joined.pop()
            content = f"{first.content} {link[1]} {box.content}"
            joined.append(Mark(content, box.start, box.end, box.closed))
    return joined


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
        if end is not None and text[box.end() + 1 : end].strip():
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
    for tag in _TAG.finditer(text):
        said = (tag["said"] or tag["in_box"] or "").strip()
        if said:
            yield Mark(said, tag.start(), tag.end())


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
    position = start
    for line in text[start:].split("\n"):
        if not _FENCE.fullmatch(line):
            return Mark(line.strip(), position, position + len(line), closed=False)
        position += len(line) + 1
    return None


def statements(text: str) -> list[Mark]:
    """ "The answer is 5." and `**Answer:** 5` and the line under `Final Answer`, in the order of the text."""
    found: list[Mark] = []
    for statement in _STATEMENT.finditer(text):
        if _supposes(text, statement):
            continue
        line_end = text.find("\n", statement.end())
        line = text[statement.end() : line_end if line_end >= 0 else len(text)]
        said = sentence_of(line)
        if line.strip(" *_:$") and not _DENIED.match(line.strip(" *_")):
            found.append(Mark(said.strip(), statement.start(), statement.end() + len(said), closed=False))
        elif not line.strip(" *_:$"):
            found.extend(_under(text, statement.start(), statement.end() + len(line)))
    for label in _LABEL_LINE.finditer(text):
        if not any(mark.start <= label.end() <= mark.end for mark in found):
            found.extend(_under(text, label.start(), label.end()))
    return sorted(found, key=lambda mark: mark.start)


def _supposes(text: str, statement: re.Match[str]) -> bool:
    """ "If there were 14, the answer would be 14": of another question."""
    sentence = re.split(r"[.!?]\s|\n", text[: statement.start()])[-1]
    return "would" in statement.group().lower() and _SUPPOSED.search(sentence) is not None


def _under(text: str, start: int, line_end: int) -> Iterator[Mark]:
    under = next_line(text, line_end)
    if under is not None:
        yield Mark(sentence_of(under.content), start, under.end, closed=False, under=True)


def sentence_of(line: str) -> str:
    """The line up to the end of its first sentence; the points of `3.5` and `U.S.` end none."""
    for end in _SENTENCE_END.finditer(line):
        if not _ABBREVIATION.search(line[: end.start()]) or not line[end.end() :].strip():
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
    rest = text[mark.end : line_end if line_end >= 0 else len(text)]
    if _SENTENCE_END.match(rest):
        return True
    return _NOTHING.fullmatch(rest) is not None and (mark.closed or line_end >= 0)
