"""One spelling for what has several: LaTeX's words and spaces, typographic digits, repeating decimals.

Everything that is read of an answer is read of `untypeset(text)`: what is left is the content.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache

_WORDS = re.compile(
    r"\\(?:text(?:bf|it|rm|tt|sf|sc|normal)?|math(?:rm|bf|it|sf|tt|cal|normal)|[mh]box|operatorname\*?|emph|bm|boldsymbol)"
    r"\s*\{([^{}]*)\}"
)
_GROUPS = re.compile(r"\{\s*\\(?:bf|rm|it|sf|tt|em)\s++([^{}]*+)\}")
_FONTS = re.compile(
    r"\\(?:(?:text)?color\s*\{\w+\}|(?:bf|rm|it|sf|tt|displaystyle|textstyle|left|right|[bB]igg?[lr]?|[lL]arge)(?![a-zA-Z]))\s*"
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ", "0123456789+-()n")
_RAISED = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ]+")
_VULGAR = re.compile(r"(?:(\d)\s*|(?<!\s)\s*)([¼½¾⅐-⅞])")
_SUBSCRIPT = re.compile(r"_\{?\d{1,3}\}?$")
#: spaces, and a program's underscores, that only part the thousands of one number
_THIN_SPACES = re.compile(r"(?<=\d)[\u00a0\u2007\u2009\u202f_](?=\d{3}(?!\d))")
#: dashes, quotes, and Arabic's marks of thousands and decimals
_DASHES = str.maketrans("\u2212\u2013\u2010\u2011\u2044\u2215\u2019\u2018\u02bc\u066c\u066b", "----//''',.")
#: letters that nobody sees: of no width, and those that say which way text runs
_UNSEEN = dict.fromkeys(
    [0x00AD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
_DEGREES = re.compile(r"\^\s*(?:\\circ|\{\s*\\circ\s*\})|\\degree(?![a-zA-Z])|º")
#: two backslashes end a row of a matrix: the second begins no space
_ROW_END = re.compile(r"(\\\\)\s+")
_PLAIN = {
    "{,}": ",",
    "{:}": ":",
    "\\,": "",
    "\\! ": "",
    "\\!": "",
    "\\;": " ",
    "\\:": " ",
    "\\ ": " ",
    "\\%": "%",
    "\\$": "$",
    "\\#": "#",
    "\\pounds": "£",
    "\\textsterling": "£",
    "\\euro": "€",
    "~": " ",
    "\\&": "&",
    "\\dfrac": "\\frac",
    "\\tfrac": "\\frac",
    "\\cfrac": "\\frac",
    "\\(": "$",
    "\\)": "$",
    "\\[": "$",
    "\\]": "$",
}

_REPEATING = re.compile(
    r"(?<![\d.])(\d{1,30})\.(\d{0,30})"
    r"(?:\\(?:overline|bar|overbar)\s*(?:\{(\d{1,30})\}|(\d))|\((\d{1,30})\)(?![\d.])"
    r"|((?:\d\u0305){1,30}))"
)
_DOTTED = re.compile(
    r"(?<![\d.])(\d{1,30})\.(\d{0,30}?)\\dot\s*\{?(\d)\}?(?:(\d{0,30})\\dot\s*\{?(\d)\}?)?(?!\d)"
)
_ELLIPSIS = re.compile(r"(?<![\d.])(\d{1,30})\.(\d{2,60})\s*(?:\.\.\.|…|\\[lc]?dots(?:[bcmo]|(?![a-zA-Z])))")


#: commands one inside another; a model that has collapsed opens them without end
_DEEPEST = 20


@lru_cache(maxsize=64)  # a verdict asks for the same few texts again and again: half of its time
def untypeset(text: str) -> str:
    """The text without its typesetting; repeating decimals as `\\frac{p}{q}`."""
    text = text.translate(_UNSEEN)
    text = _VULGAR.sub(_vulgar, _RAISED.sub(_power, _THIN_SPACES.sub("", text)))
    text = unicodedata.normalize("NFKC", repeating(text)).translate(_DASHES)
    text = _ROW_END.sub(lambda found: found[1], text)
    for latex, plain in _PLAIN.items():
        text = text.replace(latex, plain)
    text = _DEGREES.sub("°", _FONTS.sub("", _GROUPS.sub(r"\1", text)))
    for _ in range(_DEEPEST):
        worded = _in_words(text)
        if worded == text:
            break
        text = worded
    return repeating(text).strip()


def _in_words(text: str) -> str:
    """The text with the words of each innermost `\\text{...}`, apart from a number or brace right before them."""
    written: list[str] = []
    position, last = 0, ""
    for found in _WORDS.finditer(text):
        before, words = text[position : found.start()], found[1]
        last = (before or last)[-1:]
        touches = (last.isdigit() or last == "}") and not _SUBSCRIPT.search(before)
        written += [before, " " if touches and words[:1].isalpha() else "", words]
        position, last = found.end(), words or last
    return "".join([*written, text[position:]])


def _power(found: re.Match[str]) -> str:
    return f"^{{{found.group().translate(_SUPERSCRIPTS)}}}"


def _vulgar(found: re.Match[str]) -> str:
    """`1½` is one and a half, not eleven halves."""
    fraction = unicodedata.normalize("NFKC", found[2]).replace("\u2044", "/")
    return f"{found[1]} {fraction}" if found[1] else fraction


def repeating(text: str) -> str:
    """Repeating decimals as fractions: computer algebra reads the 3 of `0.\\overline{3}` as nothing at all."""
    text = _REPEATING.sub(
        lambda found: _fraction(found[1], found[2], _digits(found[3] or found[4] or found[5] or found[6])),
        text,
    )
    text = _DOTTED.sub(
        lambda found: _fraction(found[1], found[2], found[3] + (found[4] or "") + (found[5] or "")), text
    )
    return _ELLIPSIS.sub(_continued, text)


def _digits(text: str) -> str:
    return text.replace("\u0305", "")


def _fraction(whole: str, fixed: str, period: str) -> str:
    """`whole.fixed(period)`: 0.1(6) is 1/6."""
    shift = 10 ** len(fixed)
    value = Fraction(int(whole + fixed), shift) + Fraction(int(period), (10 ** len(period) - 1) * shift)
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


def _continued(found: re.Match[str]) -> str:
    """`0.1666...` goes on with its last digits where these came twice (a single digit: three times); else it is left."""
    digits = found[2]
    for length in range(1, len(digits) // 2 + 1):
        times = 3 if length == 1 else 2
        period = digits[-length:]
        if digits.endswith(period * times):
            fixed = digits
            while fixed.endswith(period):
                fixed = fixed.removesuffix(period)
            return _fraction(found[1], fixed, period)
    return found.group()
