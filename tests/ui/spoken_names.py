"""What VoiceOver would call nothing: whatever the keyboard reaches has a name."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHeaderView, QScrollArea, QScrollBar, QWidget


def nameless(pane: QWidget) -> list[str]:
    """What Tab reaches and VoiceOver would call nothing."""
    found: list[str] = []
    for one in pane.findChildren(QWidget):
        takes_keys = one.focusPolicy() & Qt.FocusPolicy.TabFocus and one.focusProxy() is None
        own = not one.objectName().startswith("qt_") and not isinstance(one, (QScrollBar, QHeaderView))
        text = one.property("text")  # a button's
        if takes_keys and own and one.isEnabled() and not (one.accessibleName() or text or _labelled(one)):
            found.append(f"{type(one).__name__} in {type(one.parentWidget()).__name__}")
    return found


def _labelled(one: QWidget) -> bool:
    """What is inside a spin or combo box is named by it; a scrolling page is named by what is in it."""
    above = one.parentWidget()
    inside = above is not None and (
        above.accessibleName() or above.metaObject().className() == "QComboBoxPrivateContainer"
    )
    return isinstance(one, QScrollArea) or bool(inside)
