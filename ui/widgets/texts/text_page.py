"""Text as tall as it is long, within a page that scrolls: laid out once, and painted where it is seen.

A label asks its text for its height over and over, and lays it out anew each time: 20,000 marked characters took 0.2 s of
the window's thread (tests/benchmarks/window_gaps.py, 2026-11-30), here 15 ms.
"""

from __future__ import annotations

import math

from PySide6.QtCore import QSize, QSizeF, Qt, Slot
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QFrame, QSizePolicy, QTextEdit, QWidget

from ui.theme import mono_font


class TextPage(QTextEdit):
    """Read only, to be marked and copied. `show_text` takes a text word for word, `show_marked` one with marks of our own.

    `tone` is a role of the style sheet: `secondary` or none.
    """

    def __init__(self, name: str, parent: QWidget, tone: str = "") -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setTabChangesFocus(True)
        self.setUndoRedoEnabled(False)
        self.setAccessibleName(name)
        self.setProperty("role", "text-page")
        self.setProperty("tone", tone)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFont(mono_font())
        self.document().setDocumentMargin(0)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._source, self._height = "", 0
        self.document().documentLayout().documentSizeChanged.connect(self._fit)

    def show_text(self, text: str) -> None:
        """Word for word, whatever looks like a mark in it."""
        self._take(text, marked=False)

    def show_marked(self, text: str) -> None:
        """Rich text; what stands in it that is not ours has been escaped."""
        self._take(text, marked=True)

    def text(self) -> str:
        """What it was given last, marks included."""
        return self._source

    def _take(self, text: str, *, marked: bool) -> None:
        if text == self._source:
            return
        self._source = text
        if marked:
            self.setHtml(text)
        else:
            self.setPlainText(text)

    @Slot(QSizeF)
    def _fit(self, size: QSizeF) -> None:
        height = math.ceil(size.height())
        if height != self._height:
            self._height = (
                height  # no fixed height: a style sheet that is set anew would take that for its own
            )
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        return QSize(200, self._height)

    def minimumSizeHint(self) -> QSize:
        return QSize(40, self._height)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # the page scrolls
