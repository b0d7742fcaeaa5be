"""Python coloured as it is written: strings, comments, numbers, words of the language."""

from __future__ import annotations

import keyword
import re

from PySide6.QtGui import QSyntaxHighlighter, QTextCharFormat, QTextDocument

from ui.theme import current_theme

#: the first that fits at a place colours it
_PARTS = re.compile(
    r"(?P<comment>#[^\n]*)"
    r"|(?P<string>(?:[rbfRBF]{0,2})(?:\"(?:\\.|[^\"\\])*\"?|'(?:\\.|[^'\\])*'?))"
    r"|(?P<number>\b\d[\d_.]*(?:e[+-]?\d+)?\b)"
    rf"|(?P<word>\b(?:{'|'.join(keyword.kwlist)})\b)"
    r"|(?P<name>(?<=\bdef )\w+)"
)
_TRIPLE = re.compile(r"\"\"\"|'''")
_TONES = {"comment": "secondary", "string": "good", "number": "warning", "word": "accent", "name": "text"}
#: states of a line's end: outside, inside a text of three double quotes, of three single ones
_OUTSIDE, _INSIDE = 0, {'"""': 1, "'''": 2}


class CodeColors(QSyntaxHighlighter):
    """Of one document; follows the theme."""

    def __init__(self, document: QTextDocument) -> None:
        super().__init__(document)
        current_theme().changed.connect(self.rehighlight)

    def highlightBlock(self, text: str) -> None:
        start = self._go_on(text)
        while start < len(text):
            triple = _TRIPLE.search(text, start)
            self._color(text, start, triple.start() if triple else len(text))
            if triple is None:
                break
            start = self._long_text(text, triple.start(), triple.group(), skip=3)

    def _go_on(self, text: str) -> int:
        """Where a long text of the lines before ends in this one; 0 where there is none."""
        self.setCurrentBlockState(_OUTSIDE)
        for quotes, state in _INSIDE.items():
            if self.previousBlockState() == state:
                return self._long_text(text, 0, quotes)
        return 0

    def _long_text(self, text: str, start: int, quotes: str, skip: int = 0) -> int:
        end = text.find(quotes, start + skip)
        after = len(text) if end < 0 else end + 3
        if end < 0:
            self.setCurrentBlockState(_INSIDE[quotes])
        self.setFormat(start, after - start, self._look("string"))
        return after

    def _color(self, text: str, start: int, end: int) -> None:
        for part in _PARTS.finditer(text, start, end):
            kind = part.lastgroup or "name"
            self.setFormat(part.start(), part.end() - part.start(), self._look(kind))

    def _look(self, kind: str) -> QTextCharFormat:
        look = QTextCharFormat()
        look.setForeground(current_theme().color(_TONES[kind]))
        if kind == "comment":
            look.setFontItalic(True)
        if kind == "name":
            look.setFontWeight(600)
        return look
