"""Numbers that a text names without giving them: the denied ("not 42", "42 is wrong", "rather than 42", "earlier I said 42"),
those left open ("41 or 42")."""

from __future__ import annotations

import re

from droid_tune.rewards.answers.numbers import as_quantity, same_quantity

_VALUE = r"[-+]?[$€£¥₹]?\d(?:[\d.,]{0,40}\d)?(?:/\d{1,20})?%?"
_MARKED = rf"(?:[*_$]|\\f?boxed\{{|\\[(\[]){{0,6}}{_VALUE}(?:[*_$}}]|\\[)\]]){{0,6}}"
_IT_IS = r"(?:that[ ]+)?(?:it|this|that|(?:the|my|our)[ ]+(?:final[ ]+)?(?:answer|result))(?:'s|’s|[ ]+(?:is|was|equals))"
_DENIED = re.compile(
    rf"""
    (?: \b(?:not|never|nor|neither|cannot|nothing|anything[ ]but) | n['’]t | ≠ | != | \\neq?(?![a-zA-Z]) )
    (?: [ \t]{{0,4}} (?: be|equals?|to|exactly|simply|just|actually|really|like|think|believe|suppose|say | {_IT_IS} ) \b )*
    [ \t]{{0,4}} (?P<value> {_MARKED} )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CONTRASTED = re.compile(
    rf"\b(?:rather than|instead of|as opposed to|in place of)[ \t]{{1,4}}(?P<value>{_MARKED})", re.IGNORECASE
)
_SAID_BEFORE = re.compile(
    rf"""
    \b(?: (?:earlier|previously|initially|originally|mistakenly|wrongly|at[ ]first),?[ ](?:I|we)(?:[ ]ha[ds]|['’]d)?
        | (?:I|we)(?:[ ]ha[ds]|['’]d)?[ ](?:earlier|previously|initially|originally|mistakenly|wrongly|first) )
    [ ](?:said|thought|got|wrote|computed|calculated|answered|guessed|claimed|concluded|gave|found)
    [ ](?:(?:that[ ])?(?:it|(?:the|my|our)[ ](?:answer|result))[ ](?:was|is|were|equals)[ ])? (?P<value> {_MARKED} )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CALLED_WRONG = re.compile(
    rf"""
    (?<![\w.]) (?P<value> {_MARKED} ) (?:[ ](?!is\b|was\b)[a-z]+)? [ \t]{{0,4}}
    (?: (?:is|was|are|were|be) (?:[ ](?:also|clearly|obviously|certainly|definitely|therefore|thus|simply|just))*
        [ ] (?: wrong|incorrect|false|impossible|invalid | too[ ](?:large|small|big|high|low|many|few|much|little)
            | not[ ](?: correct|right|valid|possible|it\b | (?:the|our)[ ](?:[a-z]+[ ]){{0,2}}(?:answer|result|solution|value) ) )
      | (?:is|was|are|were|ca|wo|does|would|could)n['’]t[ ](?:be[ ])?
        (?: correct|right|valid|possible|it\b|work\b | (?:the|our)[ ](?:[a-z]+[ ]){{0,2}}(?:answer|result|solution|value) )
      | can(?:not|[ ]not)[ ]be[ ](?:correct|right|it\b|(?:the|our)[ ](?:[a-z]+[ ])?(?:answer|result|solution|value)) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BOUNDED = re.compile(
    rf"(?<!\bno )(?<!\bnot )(?<![\d%] )\b(?:less|more|fewer|greater|smaller|larger|bigger) than[ \t]{{1,4}}(?P<value>{_MARKED})",
    re.IGNORECASE,
)
#: "the wrong answer is 42", "42? No.", "42, but that can't be right."
_WRONG_ANSWER = re.compile(
    rf"\b(?:wrong|incorrect|false)[ ](?:answer|result|value)[ ]?(?:is|was|:)[ \t]{{0,4}}(?P<value>{_MARKED})",
    re.IGNORECASE,
)
_THEN_DENIED = re.compile(
    rf"""
    (?<![\w.]) (?P<value> {_MARKED} ) (?:[ ][a-z]+)?
    (?: \?[ ]{{1,4}}(?:no|nope|wrong|incorrect)(?=[.,;:!\n]|$)
      | [,;—–]?[ ]{{0,4}}but[ ](?:that|this|it)
        (?: (?:['’]s|[ ]is|[ ]was)[ ](?:wrong|incorrect|not[ ](?:right|correct))
          | [ ](?:ca|is|was)n['’]t[ ](?:be[ ])?(?:right|correct) | [ ]cannot[ ]be[ ](?:right|correct) )
        (?=[.,;:!\n]|$) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_REFUSED = re.compile(
    r"""
    (?: \b(?:cannot|can[ ]not|could[ ]not|unable[ ]to|not[ ]able[ ]to|impossible[ ]to) | \bcan['’]t | \bcouldn['’]t )
    [ ] (?:be[ ])? (?:answer|determin|solv|comput|calculat|help|provid|assist|tell|know|find|conclud|infer)\w*
    (?: (?!\b(?:so|but|thus|therefore|hence|because|since|without|instead)\b) [^.,;:!?=\n] ){0,80}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NAMED = rf"{_MARKED}(?:[ ]?(?:°|[a-z]+\b(?<!\bor)))?"
_LEFT_OPEN = re.compile(
    rf"""
    (?<![\w.]) (?P<one> {_NAMED} ) [ \t]{{0,4}} ,? [ \t]{{0,4}} \bor[ \t]{{1,4}}
    (?:(?:maybe|perhaps|possibly|even|else|is[ ]it)[ \t]{{1,4}})* (?P<other> {_NAMED} )
    | \bbetween[ \t]{{1,4}} (?P<least> {_MARKED} ) [ \t]{{1,4}} and [ \t]{{1,4}} (?P<most> {_MARKED} )
    """,
    re.VERBOSE | re.IGNORECASE,
)
#: `4, 5, or 6`
_SEVERAL_LEFT_OPEN = re.compile(
    rf"(?<![\w.]){_NAMED}(?:(?:,|[ ]or)[ ]{_NAMED}){{1,8}},?[ ]or[ ]{_NAMED}", re.IGNORECASE
)
#: a last line that only lists: "My candidates: 1, 2, 3", `3 to 4`
_LISTED = re.compile(
    rf"""
    ^ (?:[^\d\n:]{{0,60}}:)? [*_$ \t]{{0,6}} {_VALUE}
    (?: (?:,[ ](?:and[ ])?{_VALUE}){{1,40}} (?:[ ]and[ ]{_VALUE})? | [ ]to[ ]{_VALUE} ) [*_$. \t]{{0,6}} $ (?=\s*\Z)
    """,
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
_MARKS = re.compile(r"\\f?boxed\{|\\[()\[\]]|[*_}]|(?<=\d)\$|^\$(?=.*\$$)")


def without_open_values(text: str) -> str:
    """The text with blanks for the numbers that it denies or leaves open; what is left stands where it stood.

    `150 minutes or 2.5 hours` is one value said twice, and stays.
    """
    said = text.casefold()
    rarer = ((_BOUNDED, " than"), (_WRONG_ANSWER, "answer"), (_THEN_DENIED, "but"), (_THEN_DENIED, "?"))
    told = dict.fromkeys(pattern for pattern, word in rarer if word in said)
    for denial in (_DENIED, _CONTRASTED, _SAID_BEFORE, _CALLED_WRONG, *told):
        text = denial.sub(lambda found: _blanked(found, "value"), text)
    for several in (_LISTED, _SEVERAL_LEFT_OPEN) if " or " in said else (_LISTED,):
        text = several.sub(lambda found: re.sub(r"\d", " ", found.group()), text)
    text = _REFUSED.sub(lambda found: re.sub(r"\d", " ", found.group()), text)
    return _LEFT_OPEN.sub(_unless_the_same, text)


def _blanked(found: re.Match[str], name: str) -> str:
    start, end = found.start(name) - found.start(), found.end(name) - found.start()
    whole = found.group()
    return whole[:start] + " " * (end - start) + whole[end:]


def _unless_the_same(found: re.Match[str]) -> str:
    if found["one"] is not None and _same(found["one"], found["other"]):
        return found.group()
    return " " * len(found.group())


def _same(one: str, other: str) -> bool:
    left, right = (as_quantity(_MARKS.sub("", text)) for text in (one, other))
    return left is not None and right is not None and same_quantity(left, right)
