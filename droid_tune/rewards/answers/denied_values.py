"""Numbers that a text says are not the answer: "not 42", "rather than 42", "earlier I said 42", "42 is wrong", "less than 42",
"almost 42".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from droid_tune.rewards.answers.languages import COPULAS, NEGATIONS
from droid_tune.rewards.answers.number_words import WORDED

#: a number in digits, and one in words: patterns of a value
DIGITS = r"[-+]?[$€£¥₹]?\d(?:[\d.,]{0,40}\d)?(?:/\d{1,20})?%?"
WORDS = rf"\b{WORDED}(?![\w-])"
FLAGS = re.VERBOSE | re.IGNORECASE


@dataclass(frozen=True)
class Denials:
    """Patterns of which each names its `value`, and the words without which it cannot match: most texts hold none."""

    patterns: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]

    def blanked(self, text: str) -> str:
        """The text with blanks for the values of all patterns."""
        small = text.casefold()
        for pattern, signs in self.patterns:
            for sign in signs:
                if sign in small:
                    text = pattern.sub(_without_value, text)
                    break
        return text


def marked(value: str) -> str:
    """The pattern of a value with the marks that may stand around it."""
    return rf"(?:[*_$]|\\f?boxed\{{|\\[(\[]){{0,6}}{value}(?:[*_$}}]|\\[)\]]){{0,6}}"


def denials_of(value: str) -> Denials:
    """The patterns for values that are written as the pattern `value` says."""
    one = rf"(?P<value>{marked(value)})"
    return Denials((*_denied(one), *_wrong(one), *_bounded(one, value)))


def _denied(one: str) -> Sequence[tuple[re.Pattern[str], tuple[str, ...]]]:
    """Denials and contrasts, in English and in other languages."""
    said = "said|thought|got|wrote|computed|calculated|answered|guessed|claimed|concluded|gave|found"
    when = "earlier|previously|initially|originally|mistakenly|wrongly"
    return (
        (
            re.compile(
                rf"""
                (?: \b(?:not|never|nor|neither|cannot|nothing|anything[ ]but|no[ ](?:way|longer))
                    | n['’]t | ≠ | != | \\neq?(?![a-zA-Z]) )
                (?: [ \t]{{0,4}} (?: be|equals?|to|exactly|simply|just|actually|really|like|think|believe|suppose|say
                    | {_IT_IS} ) \b )*
                [ \t]{{0,4}} {one}
                """,
                FLAGS,
            ),
            ("no", "never", "neither", "n't", "n’t", "anything but", "≠", "!=", "\\ne"),
        ),
        (
            re.compile(
                rf"(?:\b(?:{'|'.join(NEGATIONS)})(?:[ ](?:{'|'.join(COPULAS)}))?|不是|不等于|并非|没有|不到"
                rf"|\bno[ ](?:es|son)[ ]|\bnon[ ](?:è|sono)[ ])[ \t]{{0,4}}{one}",
                FLAGS,
            ),
            (*NEGATIONS, "no es", "no son", "non ", "不", "非", "没"),
        ),
        (
            re.compile(rf"{one}[ ]?(?:では(?:ない|ありません)|じゃない|[이가][ ]아니)", FLAGS),
            ("な", "ありま", "아니"),
        ),
        (
            re.compile(
                rf"\b(?:rather[ ]than|instead[ ]of|as[ ]opposed[ ]to|in[ ]place[ ]of)[ \t]{{1,4}}{one}", FLAGS
            ),
            ("rather", "instead", "opposed", "in place"),
        ),
        (
            re.compile(
                rf"""
                \b(?: (?:{when}|at[ ]first),?[ ](?:I|we)(?:[ ]ha[ds]|['’]d)? | (?:I|we)(?:[ ]ha[ds]|['’]d)?[ ](?:{when}|first) )
                [ ](?:{said})[ ](?:(?:that[ ])?(?:it|(?:the|my|our)[ ](?:answer|result))[ ](?:was|is|were|equals)[ ])? {one}
                """,
                FLAGS,
            ),
            (*when.split("|"), "first"),
        ),
    )


def _wrong(one: str) -> Sequence[tuple[re.Pattern[str], tuple[str, ...]]]:
    """What is called wrong: in its own sentence, before it ("the wrong answer is"), or behind it ("..., but that is wrong")."""
    ours = r"(?:the|our)[ ](?:[a-z]+[ ]){0,2}(?:answer|result|solution|value)"
    return (
        (
            re.compile(
                rf"""
                (?<![\w.]) {one} (?:[ ](?!is\b|was\b)[a-z]+)? ,? [ \t]{{0,4}}
                (?: (?:is|was|are|were|be) (?:[ ](?:also|clearly|obviously|certainly|definitely|therefore|thus|simply|just))*
                    [ ] (?: {_WRONG}(?![ ]to\b) | impossible | too[ ](?:large|small|big|high|low|many|few|much|little)
                        | not[ ](?: valid|possible|it\b | {ours} ) )
                  | (?:is|was|are|were|ca|wo|does|would|could)n['’]t[ ](?:be[ ])?
                    (?: correct|right|valid|possible|it\b|work\b | {ours} )
                  | can(?:not|[ ]not)[ ]be[ ](?:correct|right|it\b|{ours}) )
                """,
                FLAGS,
            ),
            (" is", " was", " are", " were", " be", "n't", "n’t", " can"),
        ),
        (
            re.compile(
                rf"""
                \b(?: (?:wrong|incorrect|false|mistaken)[ ](?:answer|result|value|solution|total|guess)
                    | (?:common|typical|frequent|easy)[ ](?:mistake|error|misconception) )
                [ ]?(?:is|was|:|(?:would|could|might|may)[ ]be)[ ](?:to[ ](?:say|answer|write|give)[ ])?[ \t]{{0,4}} {one}
                | \b(?:wrong|incorrect|mistaken?)[ ]to[ ](?:say|answer|write|give|think|conclude)[ ]
                  (?:{_IT_IS}[ ])? (?P<other>{one.replace("?P<value>", "")})
                """,
                FLAGS,
            ),
            ("wrong", "incorrect", "false", "mistake", "error", "misconception"),
        ),
        (
            re.compile(
                rf"""
                (?<![\w.]) {one} (?:[ ][a-z]+)?
                (?: \?[ ]{{1,4}}(?:no|nope|wrong|incorrect|{_DOUBT})(?=[.,;:!\n]|$)
                  | [ ]{{0,2}}\((?:(?:that|this)(?:['’]s|[ ]is)[ ])?{_WRONG}(?:[ ]answer)?[.!]?\)
                  | [ ]{{0,2}}[✗✘✖❌]
                  | [*_]{{0,3}}[.,;—–]?[ ]{{0,4}}(?:(?:but|however|though|although|yet|except)\b,?[ ])?
                    (?:that|this|it|which|I)
                    (?: (?:['’]s|[ ]is|[ ]was)[ ]{_WRONG} | [ ](?:ca|is|was)n['’]t[ ](?:be[ ])?(?:right|correct)
                      | [ ]cannot[ ]be[ ](?:right|correct) )
                    (?=[.,;:!\n]|$) )
                """,
                FLAGS,
            ),
            ("?", "(", "✗", "✘", "✖", "❌", "wrong", "correct", "right", "mistake", "error", "false", "true"),
        ),
    )


def _bounded(one: str, value: str) -> Sequence[tuple[re.Pattern[str], tuple[str, ...]]]:
    """What lies beyond a number or short of it. `over 12` is told from "divided over 12" by what it stands behind."""
    return (
        (
            re.compile(
                rf"(?<!\bno[ ])(?<!\bnot[ ])(?<![\d%][ ])\b(?:less|more|fewer|greater|smaller|larger|bigger|higher|lower)[ ]than"
                rf"[ \t]{{1,4}}{one}",
                FLAGS,
            ),
            (" than",),
        ),
        (
            re.compile(
                rf"""
                (?:^|(?<=[.:;!?][ ])|(?<=\bis[ ])|(?<=['’]s[ ])|(?<=\b(?:was|are)[ ])|(?<=\bwere[ ]))[*_"]{{0,3}}
                (?:(?:just|barely|slightly|somewhat|somewhere|well|far|a[ ](?:little|bit))[ ])?
                (?:over|above|beyond|under|below)[ ]{{1,4}}{one}
                | \b(?:exceed(?:s|ed|ing)?|surpass(?:es|ed|ing)?|almost|nearly|not[ ]quite|close[ ]to|short[ ]of
                    |upwards?[ ]of|in[ ]excess[ ]of)
                  [ ]{{1,4}} (?P<other>{marked(value)})
                """,
                FLAGS | re.MULTILINE,
            ),
            (*_BEYOND_WORDS.split(),),
        ),
        (
            re.compile(
                rf"(?<![\w.]){one}(?:[ ][a-z]+)?[ ]or[ ](?:more|fewer|less|above|below|under|over|higher|lower|greater)\b"
                r"(?![ ]\w)",
                FLAGS,
            ),
            (" or ",),
        ),
        (re.compile(rf"(?<![\w.]){one}\+(?=[\s.,;!*_$]*(?:\n|\Z))", FLAGS), ("+",)),
        (
            re.compile(
                rf"(?<![\d%][ ])\b(?:(?:weniger|mehr|kleiner|größer)[ ]als|(?:moins|plus|menos|más|mais)[ ](?:de|que|do[ ]que)"
                rf"|(?:meno|più)[ ]di|меньше|больше|少于|多于|小于|大于|超过)[ ]?{one}",
                FLAGS,
            ),
            (" als ", " de ", "que ", " di ", "ьше ", "于", "超过"),
        ),
    )


_BEYOND_WORDS = "over above beyond under below exceed surpass almost nearly quite close short upward excess"
_IT_IS = r"(?:that[ ]+)?(?:it|this|that|(?:the|my|our)[ ]+(?:final[ ]+)?(?:answer|result))(?:'s|’s|[ ]+(?:is|was|equals))"
_DOUBT = r"(?:not[ ]really|I[ ]doubt[ ]it|I[ ]do(?:n['’]t|[ ]not)[ ]think[ ]so)"
_WRONG = r"(?:wrong|incorrect|false|untrue|invalid|mistaken|a[ ]mistake|an[ ]error|not[ ](?:quite[ ])?(?:right|correct|true))\b"


def _without_value(found: re.Match[str]) -> str:
    name = "value" if found["value"] is not None else "other"
    start, end = found.start(name) - found.start(), found.end(name) - found.start()
    whole = found.group()
    return whole[:start] + " " * (end - start) + whole[end:]
