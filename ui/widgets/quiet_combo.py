"""A combo box for pages that scroll, and for places with little room."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QHelpEvent, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter, QToolTip, QWidget

from ui.widgets.basics import plain_tip

#: pixels between the frame of the text and the text
MARGIN = 1


class QuietCombo(QComboBox):
    """Leaves the wheel to the page around it unless it has the focus."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def event(self, event: QEvent) -> bool:
        """Where the mouse rests, a choice that has no room is told whole, unless something else is to be told."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent) and not self.toolTip():
            cut = self.fontMetrics().horizontalAdvance(self.currentText()) > self.room()
            QToolTip.showText(event.globalPos(), plain_tip(self.currentText()) if cut else "", self)
            return True
        return super().event(event)

    def sizeHint(self) -> QSize:
        """A little more than Qt's, whose widest choice lacks a pixel now and then."""
        return super().sizeHint() + QSize(2 * MARGIN, 0)

    def minimumSizeHint(self) -> QSize:
        return super().minimumSizeHint() + QSize(2 * MARGIN, 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        """As Qt does, but a choice that has no room ends in dots."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        dots = Qt.TextElideMode.ElideRight
        option.currentText = self.fontMetrics().elidedText(self.currentText(), dots, self.room())  # pyright: ignore[reportAttributeAccessIssue]
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()

    def room(self) -> int:
        """Pixels for the text."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        text = QStyle.SubControl.SC_ComboBoxEditField
        frame = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, text, self)
        return frame.width() - 2 * MARGIN

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()
