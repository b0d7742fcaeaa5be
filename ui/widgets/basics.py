"""Labels, cards, rows and buttons with a role that the style sheet knows."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ui import icons
from ui.theme import current_theme


def label(text: str, role: str = "", *, parent: QWidget, wrap: bool = False) -> QLabel:
    """A label that never takes its text for markup."""
    made = QLabel(parent)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setText(text)
    made.setWordWrap(wrap)
    if role:
        made.setProperty("role", role)
    if wrap:
        made.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    return made


def selectable(made: QLabel) -> QLabel:
    """The user may mark and copy the label's text."""
    made.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    return made


def frame(role: str, parent: QWidget) -> QFrame:
    made = QFrame(parent)
    made.setProperty("role", role)
    return made


def line(parent: QWidget) -> QFrame:
    return frame("line", parent)


def button(text: str, role: str = "", *, parent: QWidget, icon: str = "", help: str = "") -> QPushButton:  # noqa: A002
    made = QPushButton(text, parent)
    if role:
        made.setProperty("role", role)
    if icon:
        tokens = current_theme().tokens
        color = {
            "primary": tokens.on_accent,
            "danger": tokens.bad,
            "compact-danger": tokens.bad,
            "quiet": tokens.accent,
        }.get(role, tokens.text)
        made.setIcon(icons.icon(icon, color, disabled=tokens.tertiary, size=16))
    if help:
        made.setToolTip(help)
    if not text:
        made.setAccessibleName(help)
    return made


def column(parent: QWidget | None = None, *, spacing: int = 8, margins: int = 0) -> QVBoxLayout:
    made = QVBoxLayout() if parent is None else QVBoxLayout(parent)
    made.setSpacing(spacing)
    made.setContentsMargins(margins, margins, margins, margins)
    return made


def row(parent: QWidget | None = None, *, spacing: int = 8, margins: int = 0) -> QHBoxLayout:
    made = QHBoxLayout() if parent is None else QHBoxLayout(parent)
    made.setSpacing(spacing)
    made.setContentsMargins(margins, margins, margins, margins)
    return made


def scrolling(content: QWidget, parent: QWidget) -> QScrollArea:
    """Vertical scrolling around a page."""
    area = QScrollArea(parent)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    content.setProperty("role", "page")
    area.setWidget(content)
    return area


def restyle(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet looks at, and let it look again."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)


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
