"""What a pane looked like when it was left: splitters, columns of tables, and what was chosen and typed in it."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

from PySide6.QtCore import QByteArray
from PySide6.QtWidgets import QComboBox, QHeaderView, QLineEdit, QSplitter, QWidget

#: a combo box with this property keeps its choice, a field its text, the head of a table its columns and order
REMEMBERED = "remembered"
#: on such a head: a person made its columns as wide as they are
ARRANGED = "arranged"

Part = TypeVar("Part", bound=QWidget)


def kept_looks(pane: QWidget) -> dict[str, str]:
    """The state of every splitter and remembered head (base64), choice and text of a pane, by name or number."""
    kept: dict[str, str] = {}
    for number, splitter in enumerate(pane.findChildren(QSplitter)):
        kept[f"splitter {number}"] = base64.b64encode(bytes(splitter.saveState().data())).decode("ascii")
    for head in _remembered(pane, QHeaderView):
        kept[f"head {head.accessibleName()}"] = base64.b64encode(bytes(head.saveState().data())).decode(
            "ascii"
        )
        if head.property(ARRANGED):
            kept[f"arranged {head.accessibleName()}"] = "yes"
    for field in _remembered(pane, QLineEdit):
        kept[f"text {field.accessibleName()}"] = field.text()
    for combo in _remembered(pane, QComboBox):
        kept[f"choice {combo.accessibleName()}"] = str(combo.currentData() or combo.currentText())
    return kept


def restore_looks(pane: QWidget, kept: dict[str, str]) -> None:
    """As it was; what does not fit any more is left as it is."""
    for number, splitter in enumerate(pane.findChildren(QSplitter)):
        if state := _state(kept, f"splitter {number}"):
            splitter.restoreState(state)
    for head in _remembered(pane, QHeaderView):
        if state := _state(kept, f"head {head.accessibleName()}"):
            head.restoreState(state)
            head.setProperty(ARRANGED, f"arranged {head.accessibleName()}" in kept)
    for field in _remembered(pane, QLineEdit):
        field.setText(kept.get(f"text {field.accessibleName()}", ""))
    for combo in _remembered(pane, QComboBox):
        wanted = kept.get(f"choice {combo.accessibleName()}")
        place = next(
            (at for at in range(combo.count()) if str(combo.itemData(at) or combo.itemText(at)) == wanted), -1
        )
        if place >= 0 and place != combo.currentIndex():
            combo.setCurrentIndex(place)
            combo.activated.emit(place)


def _state(kept: dict[str, str], name: str) -> QByteArray | None:
    """None where nothing was kept, or it is damaged."""
    try:
        state = base64.b64decode(kept.get(name, ""), validate=True)
    except binascii.Error:
        return None
    return QByteArray(state) if state else None


def _remembered(pane: QWidget, kind: type[Part]) -> list[Part]:
    return [part for part in pane.findChildren(kind) if part.property(REMEMBERED)]
