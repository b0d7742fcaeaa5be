"""Text as a model wrote it, with a way to all of it where it is long."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from droid_tune import words
from ui.theme import current_theme, mono_font
from ui.widgets.basics import button, column, selectable
from ui.widgets.texts.styled_text import with_sought
from ui.widgets.texts.text_page import TextPage

#: characters that are laid out at most: more takes a screen of text seconds
LONGEST = 20_000
#: of a text that is laid out at several widths, as a window is drawn larger
MOST_HEIGHTS_KEPT = 8


class LongText(QWidget):
    """The first `most` characters of a text, and a button for the rest; another text may take its place. `role` is a label's.

    What was looked for stands out; where it is in the part that would be folded away, the whole text is there.
    """

    def __init__(self, most: int, role: str, parent: QWidget, sought: str = "") -> None:
        super().__init__(parent)
        self._most, self._role, self._sought = most, role, sought
        self._whole = ""
        self._page: TextPage | None = None  # all of it, where somebody asked
        lines = column(self, spacing=0)
        self._shown = _plain("", role, self, sought)
        lines.addWidget(self._shown)
        self._more = button("Show all", "quiet", parent=self)
        self._more.clicked.connect(self._show_all)
        lines.addWidget(self._more, 0, Qt.AlignmentFlag.AlignLeft)

    def show_text(self, text: str) -> None:
        """Word for word, folded where it is long."""
        if text == self._whole and self._shown.text():
            return
        self._whole = text
        if self._page is not None:
            self._page.hide()
            self._page.deleteLater()
            self._page = None
            self._shown.show()
        _show(self._shown, beginning(text, self._most) or "(empty)", self._sought)
        self._more.setVisible(len(text) > self._most)
        if has_sought(text[self._most :], self._sought):
            self._show_all()

    @Slot()
    def _show_all(self) -> None:
        self._page = TextPage("The whole text", self, self._role)
        _show(self._page, beginning(self._whole, LONGEST), self._sought)
        lines = self.layout()
        assert lines is not None
        lines.addWidget(self._page)
        self._shown.hide()
        self._more.hide()


def long_text(text: str, most: int, role: str, parent: QWidget, sought: str = "") -> QWidget:
    """The text with nothing hidden in it, folded where it has more than `most` characters; `role` is a label's."""
    if len(text) <= most:
        return _plain(words.literal(text) or "(empty)", role, parent, sought)
    made = LongText(most, role, parent, sought)
    made.show_text(text)
    return made


def has_sought(text: str, sought: str) -> bool:
    """Whether a text has what was looked for, in capitals or not."""
    return bool(sought) and sought.casefold() in text.casefold()


def beginning(text: str, most: int) -> str:
    """So many characters of a text, as it is; how many more there are where those are many."""
    if len(text) <= most:
        return words.literal(text)
    left = len(text) - most
    note = f"\n({left:,} more characters: the table of completions exports them)" if most >= LONGEST else ""
    return f"{words.literal(text[:most])}…{note}"


class TextLabel(QLabel):
    """Words that wrap, whose height is worked out once for a width: layouts ask for it over and over."""

    def __init__(self, role: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._heights: dict[tuple[int, str, str], int] = {}
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setProperty("role", role)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self.setFont(mono_font())
        selectable(self)

    def heightForWidth(self, arg__1: int) -> int:
        asked = (arg__1, self.text(), self.font().key())
        if asked not in self._heights:
            if len(self._heights) > MOST_HEIGHTS_KEPT:
                self._heights.clear()
            self._heights[asked] = super().heightForWidth(arg__1)
        return self._heights[asked]


def _plain(shown: str, role: str, parent: QWidget, sought: str) -> QLabel:
    made = TextLabel(role, parent)
    _show(made, shown, sought)
    return made


def _show(made: QLabel | TextPage, text: str, sought: str) -> None:
    """Markup only where something stands out."""
    rich = has_sought(text, sought)
    shown = with_sought(text, sought, current_theme().tokens) if rich else text
    if isinstance(made, TextPage):
        (made.show_marked if rich else made.show_text)(shown)
        return
    made.setTextFormat(Qt.TextFormat.RichText if rich else Qt.TextFormat.PlainText)
    made.setText(shown)
