"""Labels, cards, rows and buttons with a role that the style sheet knows."""

from __future__ import annotations

import html

from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtGui import Qt as RichQt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from droid_tune import words
from ui import icons
from ui.theme import current_theme
from ui.widgets.restyling import RingedButton


def plain_tip(text: str) -> str:
    """A text as a tool tip shows it word for word: Qt takes what looks like HTML for HTML, pictures on disk included."""
    shown = words.literal(text)
    return f"<qt>{html.escape(shown)}</qt>".replace("\n", "<br>") if RichQt.mightBeRichText(shown) else shown


def label(text: str, role: str = "", *, parent: QWidget, wrap: bool = False) -> QLabel:
    """A label that never takes its text for markup. One that wraps is as tall as its text is at the width it gets."""
    return _dressed(QLabel(parent), text, role, wrap)


class Prose(QLabel):
    """A label for words of our own: what they name in marks of code stands in quotes, for a label shows no code.

    Of a name that no line has room for it shows both ends, and the mouse tells it whole.
    """

    _whole = ""

    def setText(self, text: str) -> None:
        quoted = words.quoted(text)
        shown = words.ends_of_long_words(quoted)
        whole = plain_tip(quoted) if shown != quoted else ""
        if whole or self._whole:  # a tip of the label's own stays
            self.setToolTip(whole)
        self._whole = whole
        super().setText(shown)


def prose(text: str = "", role: str = "", *, parent: QWidget) -> QLabel:
    """A label that wraps, for a sentence that the engine, the config or this window says."""
    return _dressed(Prose(parent), text, role, wrap=True)


def _dressed(made: QLabel, text: str, role: str, wrap: bool) -> QLabel:
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setText(text)
    made.setWordWrap(wrap)
    if role:
        made.setProperty("role", role)
    if wrap:
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        made.setSizePolicy(policy)
    return made


def selectable(made: QLabel) -> QLabel:
    """The user may mark and copy the label's text."""
    made.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    return made


def frame(role: str, parent: QWidget) -> QFrame:
    """A frame that the style sheet knows by its role (`card`, `inset`, `footer`)."""
    made = QFrame(parent)
    made.setProperty("role", role)
    return made


def line(parent: QWidget) -> QFrame:
    """A thin line between two things."""
    return frame("line", parent)


class Button(RingedButton):
    """A push button whose icon takes the colour of its role, also after the theme changed."""

    def __init__(self, text: str, role: str, icon: str, parent: QWidget) -> None:
        super().__init__(text, parent)
        self._role, self._icon = role, icon
        if role:
            self.setProperty("role", role)
        if icon:
            self._tint()
            current_theme().changed.connect(self._tint)

    def wear(self, text: str, icon: str) -> None:
        """Another text and icon, for another deed in the same place."""
        self.setText(text)
        if icon != self._icon:
            self._icon = icon
            self._tint()

    @Slot()
    def _tint(self) -> None:
        tokens = current_theme().tokens
        colors = {"primary": tokens.on_accent, "compact-danger": tokens.bad, "quiet": tokens.accent}
        color = colors.get(self._role, tokens.text)
        self.setIcon(icons.icon(self._icon, color, disabled=tokens.tertiary, size=16))


def button(text: str, role: str = "", *, parent: QWidget, icon: str = "", help: str = "") -> Button:  # noqa: A002
    """A push button; one without text is named by its `help`."""
    made = Button(text, role, icon, parent)
    if help:
        made.setToolTip(help)
    if not text:
        made.setAccessibleName(help)
    return made


def closes_by_key(window: QWidget) -> None:
    """Let the standard key of Close (Cmd-W) close a window of its own, which has no menu bar that would."""
    QShortcut(QKeySequence.StandardKey.Close, window, window.close)


def column(parent: QWidget | None = None, *, spacing: int = 8, margins: int = 0) -> QVBoxLayout:
    """A layout from top to bottom, in pixels; of `parent` where one is given."""
    made = QVBoxLayout() if parent is None else QVBoxLayout(parent)
    made.setSpacing(spacing)
    made.setContentsMargins(margins, margins, margins, margins)
    return made


def row(parent: QWidget | None = None, *, spacing: int = 8, margins: int = 0) -> QHBoxLayout:
    """A layout from left to right, in pixels; of `parent` where one is given."""
    made = QHBoxLayout() if parent is None else QHBoxLayout(parent)
    made.setSpacing(spacing)
    made.setContentsMargins(margins, margins, margins, margins)
    return made


class Page(QWidget):
    """What is scrolled, as high as its width makes it.

    Qt would make it as high as if each of its texts were as narrow as it can be, which leaves an empty end to scroll to.
    """

    def minimumSizeHint(self) -> QSize:
        hint, inside = super().minimumSizeHint(), self.layout()
        told = inside is not None and inside.hasHeightForWidth()  # pyright: ignore[reportUnnecessaryComparison]
        return QSize(hint.width(), 0) if told else hint


def scrolling(content: QWidget, parent: QWidget) -> QScrollArea:
    """Vertical scrolling around a page."""
    area = QScrollArea(parent)
    area.setAccessibleName("Page")  # the arrow keys scroll it
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    content.setProperty("role", "page")
    area.setWidget(content)
    return area


def fit(sheet: QWidget, inside: QLayout, width: int) -> None:
    """Make a sheet so many pixels wide, and as high as its texts are then.

    Its layout's own size is that of texts as narrow as they like to be, which leaves gaps between them.
    """
    # A fixed minimum would be pushed to the window system at each change of the words.
    inside.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)
    inside.sizeHint()  # has the style sheet applied, whose fonts count
    sheet.resize(width, inside.totalHeightForWidth(width))


def clear(layout: QLayout) -> None:
    """Take everything out of a layout and delete it."""
    while layout.count():
        item = layout.takeAt(0)
        inner, widget = item.layout(), item.widget()
        if inner:
            clear(inner)
        if widget:
            widget.hide()
            widget.deleteLater()
