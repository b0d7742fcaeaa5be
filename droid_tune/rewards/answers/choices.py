"""Letters of choices: which one a reference wants, and which one a completion decides for.

A letter counts where something says that it is the choice: it stands alone, in brackets, before `) 42`, behind "answer is".
The article in "A dog" and the letters inside words never do, and naming several without deciding is no decision.
"""

from __future__ import annotations

import re
from functools import lru_cache

from droid_tune.rewards.answers.equality import quick_verdict
from droid_tune.rewards.answers.marks import last_line, sentence_of, strong_marks
from droid_tune.rewards.answers.numbers import as_quantity
from droid_tune.rewards.answers.typesetting import untypeset

Letters = frozenset[str]

_OPEN, _CLOSE = r"[\s*_(\[{$\"'`]{0,20}", r"[*_)\]}$\"'`]{0,20}"
_LETTER = rf"{_OPEN}(?<!\w)(?<!\w')([A-Ja-j])(?![A-Za-z0-9_’])(?!'\w){_CLOSE}"
_KIND = r"(?i:(?:the\s+)?(?:correct\s+|right\s+|best\s+)?(?:option|choice|answer|letter)s?\s*:?\s*)"
_LIST = re.compile(
    rf"\s*(?i:both\s+)?{_KIND}?(?P<first>{_LETTER})(?P<more>(?:\s*(?:,|/|&|\band\b|\bor\b|,\s*and\b|,\s*or\b){_LETTER})*)"
)
_ONE = re.compile(_LETTER)
_ALONE = re.compile(rf"\s*{_KIND}?{_LETTER}[).:]?{_CLOSE}\s*")
_HEDGE = re.compile(r"\bor\b|/")
#: what may follow a bare letter that was chosen; before any other word it is an article, a name or a variable
_AFTER = re.compile(
    r"\s*(?:$|[).:;,!\-–—<>=。，！、]|\n|是?正确|です|だ|입니다|이다|(?:because|since|as|for|which|where|with|due|given|is\s+correct)\b)",
    re.IGNORECASE,
)

_REFERENCE = re.compile(
    r"(?:(?i:option|choice|answer)\s*:?\s*)?(?:[(\[]?([A-J])[)\]]?[.:)]?|[(\[]([a-j])[)\]]|([a-d])[.)]?)"
)
#: but `J. K. Rowling` and `C. Lewis` are people
_REFERENCE_WITH_TEXT = re.compile(r"(?:\(([A-Ja-j])\)|([A-J])(?:[):]|\.(?!\s?[A-Z]\.)))\s+(\S.*)", re.DOTALL)
_SEVERAL = re.compile(r"\(?[A-J]\)?(?:\s*(?:,|&|and|;)\s*\(?[A-J]\)?)+|(?=[A-J]{2,6}$)A?B?C?D?E?F?G?H?I?J?")

_STATES = re.compile(
    r"(?:\b(?:answers?|choices?|options?|letter)(?:\s+(?:choice|option|letter))?[*_`\s\"']*"
    r"(?:(?:is|are|was|=|:|would\s+be|must\s+be|should\s+be|has\s+to\s+be|→|[-–—]\s)[*_`\s:]*)+"
    r"|\b(?:choose|pick|select|go\s+with|opt\s+for|think|believe|guess)\s+(?:it(?:'s|\s+is)\s+)?"
    r"|(?:答え|正解)は\s*|(?:정답|답)[은는]\s*"
    r"|(?:答案|选项)\s*(?:应该|应)?(?:是|为|选|：|:)|(?:故|应)?[选選]择?:?(?=\s*\(?[A-J])|选项(?=\s*\(?[A-J]\)?\s*是?正确))"
    r"(?:(?:definitely|clearly|therefore|thus|simply|indeed|most\s+likely)\s+)?",
    re.IGNORECASE,
)
_BUT = re.compile(r"not\s+.{0,40}?\bbut\s+(?:rather\s+)?", re.IGNORECASE)
_CALLED_RIGHT = re.compile(
    rf"(?:(?:\b(?:option|choice|answer)\s+)|(?=\()|(?:^|[\n.,])|\b(?:so|thus|therefore|hence|that|only)\s+)(?P<first>{_LETTER})\s+(?:is|seems|looks)\s+(?:therefore\s+|thus\s+|indeed\s+)?"
    r"(?:the\s+)?(?:correct|right|better|best|true\b|most\s+likely|answer|only\s+(?:\w+\s+)?(?:one|option|choice|answer))"
    rf"|\bonly\s+(?:option\s+|choice\s+)?(?P<only>{_LETTER})\s+(?:is|works|fits|satisfies|matches|holds|remains|gives|can)\b"
    rf"|(?:^|[\n.,]|\bso\s+)(?P<chosen>{_LETTER})\s+it\s+is\b",
    re.IGNORECASE,
)
_CALLED_RIGHT_TOGETHER = re.compile(
    rf"(?<!\w)(?P<letters>{_LETTER}(?:,{_LETTER}){{0,4}},?\s{{0,4}}(?:and|&){_LETTER})\s+are\s+(?:both\s+|all\s+)?(?:the\s+)?"
    r"(?:correct|right|true)\b",
)
_LABELLED = re.compile(r"^[^\S\n]*[*_]*\(?([A-Ja-j])[).:][*_]*[^\S\n]*(.*)$", re.MULTILINE)
_VERDICT = re.compile(
    r"[\s*_(:—–-]*(?:(?P<right>correct|right|true|yes|✓|✔|✅)|(?P<wrong>incorrect|wrong|false|no|not\s+(?:correct|right)|✗|✘|✖|❌))"
    r"(?![\w])",
    re.IGNORECASE,
)
#: `A: no. B: yes.` and `A is wrong, B is right` in one line
_JUDGED = re.compile(rf"(?<![\w'])\(?([A-J])(?:\)|[:.]|\s+is\b)?{_VERDICT.pattern}", re.IGNORECASE)
_DENIES = re.compile(r"\b(?:not|cannot|never|everything\s+but|anything\s+but)\b|n['’]t\b", re.IGNORECASE)
_UNSURE = re.compile(r"(?:\bnot|n['’]t)\s+(?:sure|certain|know|think|believe)\b", re.IGNORECASE)
_LINE_LABEL = re.compile(r"^[^\S\n]*[*_]*(?:\(([A-Ja-j])\)|([A-J])[).:])(?:[*_]|\s|$)", re.MULTILINE)
_BARE_LINE = re.compile(r"\s*[*_]*[A-J][*_]*\n")
_ENDS = re.compile(r"(?P<before>\S*)\s+[*_$]*(?:\((?P<in>[A-Ja-j])\)|(?P<bare>[A-J]))[*_$]*[.!]?[*_$\s]*$")
#: in characters: no letters of choices and what follows them take more
_FAR = 400
_DECIDING_WORDS = (
    "so thus therefore hence is option choice answer : → => choose pick select it's it’s leaving leaves"
)
_DECIDES = frozenset(_DECIDING_WORDS.split())
#: "I would take A over B"
_PREFERRED = re.compile(
    rf"\b(?:go|going|went|choose|pick|take|prefer)(?:\s+(?:with|for))?\s+(?:(?:option|choice)\s+)?(?P<first>{_LETTER})\s+(?:over|rather\s+than|instead\s+of)\s",
    re.IGNORECASE,
)
#: "It must be (B), since (A) fails"
_MUST_BE = re.compile(
    r"\b(?i:it|that|this)\s+(?:must|has\s+to|can\s+only)\s+be\s+(?:(?:option|choice)\s+)?"
    rf"(?P<first>{_LETTER})(?=\s*(?:[,.;]|$|because|since))"
)
#: "The answer is A. Wait, C."
_CORRECTS = re.compile(
    r"(?:^|(?<=[.!?…\n)}*]))[\s*_\"'(]{0,6}(?i:but\s+)?(?i:wait|oops|hmm|sorry|actually|no|correction|scratch\s+that|I\s+meant)\b"
    r"[\s,.:;!…—–-]{1,6}(?i:(?:no|wait|actually)\b[\s,.:;…—–-]{1,6})?(?i:(?:it|that|the\s+answer)(?:['’]s|\s+is|\s+should\s+be)\s+)?"
)
#: more words than this explain
_MOST_WORDS = 5
_EXPLAINING_WORDS = (
    "because since as is are was it this that which i we so therefore by for due given correct right"
)
_EXPLAINS = frozenset(_EXPLAINING_WORDS.split())
_JOINING = frozenset(["a", "an", "and", "in", "of", "on", "or", "the", "to"])
_NAMED = re.compile(r"\(([A-Ja-j])\)|(?<![\w'])([B-HJ])(?![\w'’])|\b(?:option|choice)\s+([A-J])\b")


def wanted_letters(reference: str) -> Letters | None:
    """The letters that a reference asks for, None where it is no choice. `(C) 42` is C."""
    text = untypeset(reference).strip(" *_$\"'`")
    one = _REFERENCE.fullmatch(text) or _REFERENCE_WITH_TEXT.fullmatch(text)
    if one is not None:
        return frozenset((one[1] or one[2] or one[3]).upper()) if _is_single(one) else None
    if _SEVERAL.fullmatch(text):
        return frozenset(re.findall(r"[A-J]", text))
    return None


def _is_single(one: re.Match[str]) -> bool:
    return len(next(group for group in one.groups() if group)) == 1


def text_of_choice(reference: str) -> str | None:
    """The words behind the letter: `42` of `(C) 42`."""
    found = _REFERENCE_WITH_TEXT.fullmatch(untypeset(reference))
    return found[3].strip() if found else None


def says_another(spoken: str, letter: str, reference: str) -> bool:
    """Whether the words beside the letter that a text decides for are those of another choice: `(B) Paris` where B is Rome.

    What explains the choice ("B. It is the capital"), or shares a word with it, is no other.
    """
    meant = text_of_choice(reference)
    found = list(_beside(letter).finditer(untypeset(spoken))) if meant is not None else []
    if not found or meant is None:
        return False
    said = sentence_of(found[-1][1]).strip(" .*_$")
    if quick_verdict(said, meant) is not False:
        return False
    if as_quantity(said) is not None and as_quantity(meant) is not None:
        return True
    told, wanted = (set(re.findall(r"\w+", text.casefold())) for text in (said, meant))
    return 0 < len(told) <= _MOST_WORDS and not told & (wanted - _JOINING | _EXPLAINS)


@lru_cache(maxsize=16)
def _beside(letter: str) -> re.Pattern[str]:
    """What follows `(B)`, `B.`, `B)` or `B:` in its line."""
    return re.compile(rf"(?<![\w(])(?:\({letter}\)|{letter}[).:])[*_]{{0,3}}[:.]?[ ]+([^\s(][^\n]*)")


def chosen_letters(spoken: str) -> Letters | None:
    """The letters that a text decides for; None where it decides for none, or names several and leaves it open."""
    text = untypeset(spoken)
    decided = _last_decision(text)
    if decided is not None:
        return decided or None
    listed = len(set(_labels(text))) > 1
    ticked = _ticked(text)
    if ticked is not None:
        return ticked
    alone = letters_at_start(text) if not listed or _BARE_LINE.match(text) else None
    if alone is not None:
        return alone or None
    last = last_line(text)
    if not listed or _ALONE.fullmatch(last):
        return letters_at_start(last) or _letter_at_end(text)
    return None


def _ticked(text: str) -> Letters | None:
    """The letters whose lines are called right where every labelled line is called right or wrong."""
    lines = [(letter.upper(), _VERDICT.match(said)) for letter, said in _LABELLED.findall(text)]
    if len(lines) < 2:
        lines = [(found[1].upper(), found) for found in _JUDGED.finditer(text) if found[1].isupper()]
    right = frozenset(letter for letter, verdict in lines if verdict and verdict["right"])
    judged = len(lines) > 1 and all(verdict for _, verdict in lines)
    return right if judged and 0 < len(right) < len(lines) else None


def _last_decision(text: str) -> Letters | None:
    """What the last mark, statement or verdict with letters says; empty where it leaves the choice open."""
    found = _statements(text)
    for mark in strong_marks(text):
        letters = letters_at_start(mark.content)
        if letters is not None:
            found.append((mark.start, letters))
    return max(found, key=lambda one: one[0])[1] if found else None


def _statements(text: str) -> list[tuple[int, Letters]]:
    """Where a text says which letter it is, and which: "the answer is C", "(C) is correct"."""
    found: list[tuple[int, Letters]] = []
    for state in _STATES.finditer(text):
        rest = text[state.end() : state.end() + _FAR]
        rest = _BUT.sub("", rest, count=1) if _BUT.match(rest) else rest
        letters = letters_at_start(rest)
        if letters is not None:
            found.append((state.start(), letters))
    for correction in _CORRECTS.finditer(text):
        letters = letters_at_start(text[correction.end() : correction.end() + _FAR])
        if letters is not None:
            found.append((correction.start(), letters))
    for verdict in _CALLED_RIGHT.finditer(text):
        letter = verdict["first"] or verdict["only"] or verdict["chosen"]
        found.append((verdict.start(), _letters_in(letter)))
    for pattern in (_PREFERRED, _MUST_BE):
        found += [(one.start(), _letters_in(one["first"])) for one in pattern.finditer(text)]
    together = _CALLED_RIGHT_TOGETHER.finditer(text)
    found += [(verdict.start(), _letters_in(verdict["letters"])) for verdict in together]
    return found


def letters_at_start(text: str) -> Letters | None:
    """The letter or letters that a text begins with as its choice; empty for "A or B", None where it begins otherwise."""
    together = text.strip(" .*_")
    text = text[:_FAR]
    if 1 < len(together) < _FAR and _SEVERAL.fullmatch(together):
        return frozenset(re.findall(r"[A-J]", together))
    found = _LIST.match(text)
    if found is None:
        return None
    written, rest = found.group(), text[found.end() :]
    bracketed = re.search(r"[)\]}*_$\"'`]\s*$", written) is not None
    explained = written.strip().isupper() and re.match(r"\s*\(\w*\W", rest) is not None
    if not bracketed and not explained and not _AFTER.match(rest):
        return None
    if found["more"] and _HEDGE.search(found["more"]):
        return frozenset()
    return _letters_in(found["first"] + found["more"])


def _letters_in(written: str) -> Letters:
    return frozenset(letter.upper() for letter in _ONE.findall(written))


def _labels(text: str) -> list[str]:
    """The letters with which lines begin: a list of choices repeats them all."""
    return [(bracketed or bare).upper() for bracketed, bare in _LINE_LABEL.findall(text)]


def _letter_at_end(text: str) -> Letters | None:
    """A letter as the last word, where the last sentence names no other or says that it follows."""
    text = text.strip()[-_FAR:]
    found = _ENDS.search(text)
    if found is None:
        return None
    sentence = re.split(r"(?<=[.!?])\s|\n", text[: found.end("before")])[-1]
    others = [name for names in _NAMED.findall(sentence) for name in names if name]
    before = found["before"].lower().strip("*_$(),")
    if re.search(r"\d$|n['’]t$", before) or before in (
        "not",
        "or",
        "and",
        "neither",
        "nor",
        "either",
        "a",
        "than",
        "except",
        "excluding",
        "besides",
        "but",
        "vitamin",
        "plan",
        "point",
    ):
        return None
    decides = before in _DECIDES or found["before"].endswith(":")
    unsure = _UNSURE.search(sentence) is not None
    if unsure or ((others or _DENIES.search(sentence)) and not decides):
        return None
    if found["bare"] in ("A", "I") and not decides:
        return None
    return frozenset((found["in"] or found["bare"]).upper())
