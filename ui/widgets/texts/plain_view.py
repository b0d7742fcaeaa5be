"""A field of text that is only read, in a fixed-width font, with parts that stand out. Never markup."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import Slot
from PySide6.QtGui import QColor, QFont, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QWidget

from ui.theme import current_theme, mono_font
from ui.widgets.basics import plain_tip

#: places of a text that stand out; more are a grey field
MOST_MARKS = 500


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
        self._marked = ""
        current_theme().changed.connect(self._draw)

    def show_pieces(self, pieces: Iterable[Piece]) -> None:
        """Shown from the top."""
        self._pieces = list(pieces)
        self._draw()

    def mark(self, text: str) -> None:
        """Let this text stand out wherever it is, whatever its case, and show the first place; "" takes the marks away."""
        self._marked = text
        self._draw_marks()

    def _draw_marks(self) -> None:
        look = QTextCharFormat()
        look.setBackground(QColor(current_theme().tokens.warning_soft))
        marks: list[QTextEdit.ExtraSelection] = []
        found = self.document().find(self._marked) if self._marked else QTextCursor()
        while not found.isNull() and len(marks) < MOST_MARKS:
            mark = QTextEdit.ExtraSelection()
            mark.cursor, mark.format = found, look  # pyright: ignore[reportAttributeAccessIssue]
            marks.append(mark)
            found = self.document().find(self._marked, found)
        self.setExtraSelections(marks)
        if marks:
            first = QTextCursor(marks[0].cursor)  # pyright: ignore[reportAttributeAccessIssue]
            first.clearSelection()
            self.setTextCursor(first)

    @Slot()
    def _draw(self) -> None:
        self.clear()
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        for piece in self._pieces:
            cursor.insertText(piece.text, _look(piece))
        cursor.endEditBlock()
        self.moveCursor(QTextCursor.MoveOperation.Start)
        self._draw_marks()


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
