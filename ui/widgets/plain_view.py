"""A field of text that is only read, in a fixed-width font, with parts that stand out. Never markup."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import Slot
from PySide6.QtGui import QColor, QFont, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from ui.theme import current_theme, mono_font
from ui.widgets.basics import plain_tip


@dataclass(frozen=True)
class Piece:
    """Text and how it stands out: names of theme colours, empty for none."""

    text: str
    tone: str = ""
    ground: str = ""
    bold: bool = False
    tip: str = ""


class PlainView(QPlainTextEdit):
    """Shows pieces; draws them again when the theme changes."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setFont(mono_font())
        self.setAccessibleName(name)
        self._pieces: list[Piece] = []
        current_theme().changed.connect(self._draw)

    def show_pieces(self, pieces: Iterable[Piece]) -> None:
        """Shown from the top."""
        self._pieces = list(pieces)
        self._draw()

    @Slot()
    def _draw(self) -> None:
        self.clear()
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        for piece in self._pieces:
            cursor.insertText(piece.text, _look(piece))
        cursor.endEditBlock()
        self.moveCursor(QTextCursor.MoveOperation.Start)


def _look(piece: Piece) -> QTextCharFormat:
    tokens = current_theme().tokens
    look = QTextCharFormat()
    look.setForeground(QColor(getattr(tokens, piece.tone or "text")))
    if piece.ground:
        look.setBackground(QColor(getattr(tokens, piece.ground)))
    if piece.bold:
        look.setFontWeight(QFont.Weight.DemiBold)
    if piece.tip:
        look.setToolTip(plain_tip(piece.tip))
    return look
