"""Text as a model wrote it, with a way to all of it where it is long."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QWidget

from droid_tune import words
from ui.theme import current_theme, mono_font
from ui.widgets.basics import button, column, label, selectable
from ui.widgets.styled_text import with_sought

#: characters that are laid out at most: more takes a screen of text seconds
LONGEST = 20_000


class LongText(QWidget):
    """The first `most` characters, and a button for the rest."""

    def __init__(self, text: str, most: int, role: str, parent: QWidget, sought: str = "") -> None:
        super().__init__(parent)
        self._whole, self._sought = text, sought
        lines = column(self, spacing=0)
        self._shown = _plain(beginning(text, most), role, self, sought)
        lines.addWidget(self._shown)
        self._more = button("Show all", "quiet", parent=self)
        self._more.clicked.connect(self._show_all)
        lines.addWidget(self._more, 0, Qt.AlignmentFlag.AlignLeft)

    @Slot()
    def _show_all(self) -> None:
        _show(self._shown, beginning(self._whole, LONGEST), self._sought)
        self._more.hide()


def long_text(text: str, most: int, role: str, parent: QWidget, sought: str = "") -> QWidget:
    """The text with nothing hidden in it, folded where it has more than `most` characters; `role` is a label's.

    What was looked for stands out; where it is in the part that would be folded away, the whole text is there.
    """
    if len(text) > most and not has_sought(text[most:], sought):
        return LongText(text, most, role, parent, sought)
    shown = beginning(text, LONGEST) if len(text) > most else words.literal(text) or "(empty)"
    return _plain(shown, role, parent, sought)


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


def _plain(shown: str, role: str, parent: QWidget, sought: str) -> QLabel:
    made = selectable(label("", role, parent=parent, wrap=True))
    made.setFont(mono_font())
    _show(made, shown, sought)
    return made


def _show(made: QLabel, text: str, sought: str) -> None:
    """Markup only where something stands out."""
    rich = has_sought(text, sought)
    made.setTextFormat(Qt.TextFormat.RichText if rich else Qt.TextFormat.PlainText)
    made.setText(with_sought(text, sought, current_theme().tokens) if rich else text)
