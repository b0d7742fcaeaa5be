"""What a pane looked like when it was left: the splitters, and what was chosen in its menus."""

from __future__ import annotations

import base64
import binascii

from PySide6.QtCore import QByteArray
from PySide6.QtWidgets import QComboBox, QSplitter, QWidget

#: a combo box with this property keeps its choice
REMEMBERED = "remembered"


def kept_looks(pane: QWidget) -> dict[str, str]:
    """The state of every splitter (base64) and remembered choice of a pane, by name or number."""
    kept: dict[str, str] = {}
    for number, splitter in enumerate(pane.findChildren(QSplitter)):
        kept[f"splitter {number}"] = base64.b64encode(bytes(splitter.saveState().data())).decode("ascii")
    for combo in _remembered(pane):
        kept[f"choice {combo.accessibleName()}"] = str(combo.currentData() or combo.currentText())
    return kept


def restore_looks(pane: QWidget, kept: dict[str, str]) -> None:
    """As it was; what does not fit any more is left as it is."""
    for number, splitter in enumerate(pane.findChildren(QSplitter)):
        try:
            state = base64.b64decode(kept.get(f"splitter {number}", ""), validate=True)
        except binascii.Error:
            continue
        if state:
            splitter.restoreState(QByteArray(state))
    for combo in _remembered(pane):
        wanted = kept.get(f"choice {combo.accessibleName()}")
        place = next(
            (at for at in range(combo.count()) if str(combo.itemData(at) or combo.itemText(at)) == wanted), -1
        )
        if place >= 0 and place != combo.currentIndex():
            combo.setCurrentIndex(place)
            combo.activated.emit(place)


def _remembered(pane: QWidget) -> list[QComboBox]:
    return [combo for combo in pane.findChildren(QComboBox) if combo.property(REMEMBERED)]
