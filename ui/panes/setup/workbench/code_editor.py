"""A field for Python: spaces for tabs, the indentation of the line before, and the line at fault marked."""

from __future__ import annotations

import re

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase, QKeyEvent, QTextCursor, QTextFormat
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QWidget

from ui.panes.setup.workbench.code_colors import CodeColors
from ui.theme import current_theme

INDENT = "    "


class CodeEditor(QPlainTextEdit):
    """Undo and redo are the field's own. Alt-Tab and Shift-Tab leave it: a form is walked through by keys."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPixelSize(12)
        self.setFont(font)
        self.setStyleSheet(f'font-family: "{font.family()}"; font-size: 12px;')
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setTabStopDistance(len(INDENT) * self.fontMetrics().horizontalAdvance(" "))
        self.setAccessibleName("Code of the reward")
        self.setAcceptDrops(False)  # a file that falls here is opened, not written out
        CodeColors(self.document())  # the document keeps it
        self._fault_line = 0
        current_theme().changed.connect(self._mark)

    def show_text(self, text: str) -> None:
        """Another text, with nothing to undo before it."""
        self.setPlainText(text)
        self.mark_line(0)

    def mark_line(self, number: int) -> None:
        """Tint a line, counted from 1; 0 takes the tint away."""
        self._fault_line = number
        self._mark()

    def _mark(self) -> None:
        marks: list[QTextEdit.ExtraSelection] = []
        block = self.document().findBlockByNumber(self._fault_line - 1)
        if self._fault_line and block.isValid():
            mark = QTextEdit.ExtraSelection()
            mark.format.setBackground(current_theme().color("bad_soft"))  # pyright: ignore[reportAttributeAccessIssue]
            mark.format.setProperty(QTextFormat.Property.FullWidthSelection, True)  # pyright: ignore[reportAttributeAccessIssue]
            mark.cursor = QTextCursor(block)  # pyright: ignore[reportAttributeAccessIssue]
            marks.append(mark)
        self.setExtraSelections(marks)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        match event.key():
            case Qt.Key.Key_Tab if not event.modifiers():
                self.insertPlainText(INDENT)
            case Qt.Key.Key_Tab if event.modifiers() == Qt.KeyboardModifier.AltModifier:
                self.focusNextChild()
            case Qt.Key.Key_Backtab:
                self.focusPreviousChild()
            case Qt.Key.Key_Return | Qt.Key.Key_Enter if not event.modifiers():
                self._break_line()
            case Qt.Key.Key_Escape:
                event.ignore()  # closes the sheet
            case _:
                super().keyPressEvent(event)

    def _break_line(self) -> None:
        cursor = self.textCursor()
        before = cursor.block().text()[: cursor.positionInBlock()]
        indent = (re.match(r"\s*", before) or [""])[0]
        deeper = INDENT if before.rstrip().endswith(":") else ""
        cursor.insertText(f"\n{indent}{deeper}")
        self.setTextCursor(cursor)
        self.ensureCursorVisible()
