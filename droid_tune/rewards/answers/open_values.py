"""Numbers that a text names without giving them as its answer: the denied, those left open ("41 or 42", "one of 3, 4, 5"),
those asked about ("Is it 72?"), and those of the question ("The problem mentions 72").
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from droid_tune.rewards.answers.compounds import joined_in_text
from droid_tune.rewards.answers.denied_values import DIGITS, FLAGS, WORDS, Denials, denials_of, marked
from droid_tune.rewards.answers.languages import ALTERNATIVES
from droid_tune.rewards.answers.numbers import as_quantity, same_quantity
from droid_tune.rewards.answers.worded_parts import mixed_in_digits

#: stands where a digit was that is left open
OPEN = "□"
Blank = Callable[[re.Match[str]], str]

_REFUSED = re.compile(
    r"""
    (?: \b(?:cannot|can[ ]not|could[ ]not|unable[ ]to|not[ ]able[ ]to|impossible[ ]to) | \bcan['’]t | \bcouldn['’]t )
    [ ] (?:be[ ])? (?:answer|determin|solv|comput|calculat|help|provid|assist|tell|know|find|conclud|infer)\w*
    (?: (?!\b(?:so|but|thus|therefore|hence|because|since|without|instead)\b) [^.,;:!?=\n] ){0,80}
    """,
    FLAGS,
)
#: "Is it 72?", unless a yes follows; behind a colon or an `=` a question gives its answer
_ASKED = re.compile(
    r"""
    (?:^|(?<=[.!?;:][ ])) [*_"]{0,3} (?:(?:so|but|and|then|wait|hmm),?[ ])?
    (?:is|are|was|were|could|can|would|might|may|should|shall|do|does|did|will|has|have|what|why|how|which|where|when|who)(?:n['’]t)?\b
    (?:[^.?!:=\n]|[.](?=\d)){0,200} \? (?![*_" ]{0,5}(?:yes|yep|yeah|correct|right|indeed|exactly|true|it[ ]is)\b)
    """,
    FLAGS | re.MULTILINE,
)
_OF_THE_QUESTION = re.compile(
    r"""
    \b(?: (?:question|problem|prompt|exercise|puzzle|task|riddle)[ ]
        (?:mention|sa(?:ys|id)|state|ask|give|gave|contain|tell|told|specif|include|provide|name)\w*
      | you[ ](?:said|mentioned) | we[ ](?:are|were)[ ]given )
    (?:(?!\b(?:so|then|thus|hence|therefore|which|but|we|I|and(?![ ][$€£]?\d))\b)[^.,;:!?=\n]|[.,](?=\d)){0,120}
    """,
    FLAGS,
)
_QUESTION_WORDS = ("question", "problem", "prompt", "exercise", "puzzle", "task", "riddle", "you ", "given")
#: odds of 3:8 are no share of 3/8
_ODDS = re.compile(r"\bodds\b[^.\d\n]{0,40}\d{1,9}[ ]?(?::|to|-)[ ]?\d{1,9}\b", re.IGNORECASE)
#: what stands between two items of a list, and of a list in characters
_JOINS = re.compile(r"[\w%°$*][,;]?[ ](?:[/|&]|and\b|to\b|or\b|(?<=[,;][ ])[-+*_$€£]*\w)|\bof[ ]")
_LONGEST_LIST = 400
_MARKS = re.compile(r"\\f?boxed\{|\\[()\[\]]|[*_}]|(?<=\d)\$|^\$(?=.*\$$)")
_ITEM_WORD = re.compile(r"(?<=[\d\w])[ ]([a-z]+)\b|(?<=\d)([a-z]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Openness:
    """The patterns of values in one kind of writing. `one_or_other` names two values, `listed` several."""

    denials: Denials
    one_or_other: re.Pattern[str]
    several: re.Pattern[str]
    listed: re.Pattern[str]


def without_open_values(text: str) -> str:
    """The text with blanks for the numbers that it denies, and `OPEN` for those it leaves open or asks about; what is left
    stands where it stood.

    `150 minutes or 2.5 hours` is one value said twice, and stays. Numbers in words are looked at where there are no digits.
    """
    in_words = not any(map(str.isdigit, text))
    values = _openness(in_words)
    text = values.denials.blanked(text)
    small = text.casefold()
    blank = _wordless if in_words else _blank_digits
    if "?" in text:
        text = _ASKED.sub(blank, text)
    if any(word in small for word in _QUESTION_WORDS):
        text = _OF_THE_QUESTION.sub(blank, text)
    if "odds" in small:
        text = _ODDS.sub(blank, text)
    if _JOINS.search(text, max(0, len(text.rstrip()) - _LONGEST_LIST)):
        text = values.listed.sub(lambda found: _unless_one(found, blank), text)
    if " or " in small:
        text = values.several.sub(blank, text)
    text = _REFUSED.sub(blank, text)
    return values.one_or_other.sub(lambda found: _unless_the_same(found, blank), text)


@lru_cache(maxsize=2)
def _openness(in_words: bool) -> Openness:
    value = WORDS if in_words else DIGITS
    either = "|".join(ALTERNATIVES)
    named = rf"{marked(value)}(?:[ ]?(?:°|(?!(?:{either})\b)[a-z]+\b))?"
    item = rf"{value}(?:[ ]?(?!and\b|or\b|to\b)[a-z°%]{{1,12}})?"
    return Openness(
        denials_of(value),
        re.compile(
            rf"""
            (?<![\w.]) (?P<one> {named} ) [ \t]{{0,4}} ,? [ \t]{{0,4}} (?:\b(?:or|{either})[ \t]{{1,4}}|或者?)
            (?:(?:maybe|perhaps|possibly|even|else|is[ ]it)[ \t]{{1,4}})* (?P<other> {named} )
            | \bbetween[ \t]{{1,4}} (?P<least> {marked(value)} ) [ \t]{{1,4}} and [ \t]{{1,4}} (?P<most> {marked(value)} )
            """,
            FLAGS,
        ),
        re.compile(rf"(?<![\w.]){named}(?:(?:,|[ ]or)[ ]{named}){{1,8}},?[ ]or[ ]{named}", FLAGS),
        re.compile(
            rf"""
            (?: \b(?P<of>one|any|some)[ ]of[ ](?:the[ ])? {item}
                (?:(?:,|;|[ ][/|])[ ]{item}){{0,40}} (?:,?[ ](?:and|or|&)[ ]{item})?
              | (?: ^ (?:[^\d\n:]{{0,60}}:)? | \b(?:is|are|was|were)[ ] ) [*_$ \t{{(\[]{{0,6}} {item}
                (?: (?:(?:,|;|[ ][/|])[ ](?:and[ ])?{item}){{1,40}} (?:,?[ ](?:and|&)[ ]{item})? | [ ](?:and|&|to)[ ]{item} )
                [*_$. \t)\]}}]{{0,6}} $ (?=\s*\Z) )
            """,
            FLAGS | re.MULTILINE,
        ),
    )


def _blank_digits(found: re.Match[str]) -> str:
    return re.sub(r"\d", OPEN, found.group())


def _wordless(found: re.Match[str]) -> str:
    return re.sub(WORDS, lambda one: " " * len(one.group()), found.group(), flags=FLAGS)


def _unless_one(found: re.Match[str], blank: Blank) -> str:
    """A list of several: neither the parts of one quantity (2 hours and 30 minutes), nor what different things come to (6 boys
    and 8 girls), nor one number said again."""
    whole = found.group()
    if found["of"]:
        return blank(found)
    said = re.sub(r"^.*?(?=[-+$€£]*\d)", "", whole, count=1, flags=re.DOTALL).strip(" .*_")
    told = [first or second for first, second in _ITEM_WORD.findall(said)]
    nouns = {word.lower() for word in told} - {"and", "to", "or"}
    numbers = re.findall(DIGITS, said)
    same = len(numbers) > 1 and len(set(numbers)) == 1
    return (
        whole
        if same or len(nouns) > 1 or as_quantity(mixed_in_digits(joined_in_text(said))) is not None
        else blank(found)
    )


def _unless_the_same(found: re.Match[str], blank: Blank) -> str:
    if found["one"] is not None and _same(found["one"], found["other"]):
        return found.group()
    return blank(found)


def _same(one: str, other: str) -> bool:
    left, right = (as_quantity(_MARKS.sub("", text)) for text in (one, other))
    return left is not None and right is not None and same_quantity(left, right)
