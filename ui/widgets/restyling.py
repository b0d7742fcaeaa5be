"""What a widget shows of its state by properties that the style sheet looks at."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QPushButton, QWidget

#: how the keyboard comes to a part, and not by a click
BY_KEYS = frozenset(
    (
        Qt.FocusReason.TabFocusReason,
        Qt.FocusReason.BacktabFocusReason,
        Qt.FocusReason.ShortcutFocusReason,
        Qt.FocusReason.OtherFocusReason,
    )
)


def restyle(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet looks at, and let it look again."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    if widget.testAttribute(Qt.WidgetAttribute.WA_WState_Polished):  # else it looks when it is shown
        widget.style().unpolish(widget)
        widget.style().polish(widget)


class RingedButton(QPushButton):
    """A ring shows where the keyboard is, not where the mouse was, as on a Mac; with another window to the front it stays."""

    def focusInEvent(self, event: QFocusEvent) -> None:
        if event.reason() in BY_KEYS:
            restyle(self, "ringed", True)
        elif event.reason() == Qt.FocusReason.MouseFocusReason:
            restyle(self, "ringed", False)
        super().focusInEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        restyle(self, "ringed", True)
        super().keyPressEvent(event)

    def setVisible(self, visible: bool) -> None:
        if not visible:
            self._drop_focus()
        super().setVisible(visible)

    def setEnabled(self, enabled: bool) -> None:
        if not enabled:
            self._drop_focus()
        super().setEnabled(enabled)

    def _drop_focus(self) -> None:
        """One that the mouse came to hands the keyboard to nobody as it goes: Qt would ring what stands beside it."""
        if self.property("ringed") is False and self.window().focusWidget() is self:
            self.clearFocus()
