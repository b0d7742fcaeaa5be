"""Text as a model wrote it, with a way to all of it where it is long."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QWidget

from droid_tune import words
from ui.theme import mono_font
from ui.widgets.basics import button, column, label, selectable

#: characters that are laid out at most: more takes a screen of text seconds
LONGEST = 20_000


class LongText(QWidget):
    """The first `most` characters, and a button for the rest."""

    def __init__(self, text: str, most: int, role: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._whole = text
        lines = column(self, spacing=0)
        self._shown = _plain(beginning(text, most), role, self)
        lines.addWidget(self._shown)
        self._more = button("Show all", "quiet", parent=self)
        self._more.clicked.connect(self._show_all)
        lines.addWidget(self._more, 0, Qt.AlignmentFlag.AlignLeft)

    @Slot()
    def _show_all(self) -> None:
        self._shown.setText(beginning(self._whole, LONGEST))
        self._more.hide()


def long_text(text: str, most: int, role: str, parent: QWidget) -> QWidget:
    """The text with nothing hidden in it, folded where it has more than `most` characters; `role` is a label's."""
    if len(text) > most:
        return LongText(text, most, role, parent)
    return _plain(words.literal(text) or "(empty)", role, parent)


def beginning(text: str, most: int) -> str:
    """So many characters of a text, as it is; how many more there are where those are many."""
    if len(text) <= most:
        return words.literal(text)
    left = len(text) - most
    note = f"\n({left:,} more characters: the table of completions exports them)" if most >= LONGEST else ""
    return f"{words.literal(text[:most])}…{note}"


def _plain(shown: str, role: str, parent: QWidget) -> QLabel:
    made = selectable(label(shown, role, parent=parent, wrap=True))
    made.setFont(mono_font())
    return made
