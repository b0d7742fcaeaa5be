"""What only lays a text out: HTML around words, marks of lists and quotes before a line, what is struck through,
and what calculators were told.
"""

from __future__ import annotations

import re

from droid_tune.data.rendering.foreign_marks import END_TOKENS

_STRUCK = re.compile(r"~~[^~\n]{1,200}~~")
_NAMES = "b|strong|i|em|u|mark|code|span|p|div|final_answer|final|result|output|solution|response"
_ELEMENT = re.compile(
    rf"<({_NAMES})(?:\s+[\w-]+\s*=\s*\"[^\"]*\")*\s*>(.{{0,2000}}?)</\1\s*>", re.DOTALL | re.IGNORECASE
)
#: `- 18` in a line of its own is an item; behind an `=` it is less than nothing
_ITEM = re.compile(r"(?m)(?<![=/×(] \n)(?<![=/×(]\n)^[ \t]*(?:(?:[-*+•‣>]|[✅✔☑])[ \t]+)+(?=\S)")
_ENDS = re.compile(rf"(?:\s*(?:{'|'.join(map(re.escape, END_TOKENS))}))+\s*\Z")
#: what GSM8K's solutions write for a calculator: `$<<9*2=18>>18`
_CALCULATED = re.compile(r"<<[^<>\n]{1,100}>>(?=[-\d.$])")
_DEEPEST = 3


def laid_bare(text: str) -> str:
    """The text without its layout; emphasis, headings and LaTeX stay."""
    if "<" in text:
        text = _CALCULATED.sub("", text)
        for _ in range(_DEEPEST):
            text, changed = _ELEMENT.subn(r"\2", text)
            if not changed:
                break
    return _ENDS.sub("", _ITEM.sub("", _STRUCK.sub(" ", text)))
