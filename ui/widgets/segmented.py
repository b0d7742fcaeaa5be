"""A row of exclusive choices, as macOS draws them."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Signal, Slot
from PySide6.QtGui import QFont, QFontMetrics
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QFrame, QSizePolicy, QWidget

from ui.widgets.basics import row
from ui.widgets.restyling import RingedButton


class Segment(RingedButton):
    """One choice."""

    def __init__(self, text: str, parent: QWidget) -> None:
        super().__init__(text, parent)
        self.setCheckable(True)
        self.setProperty("role", "segment")

    def sizeHint(self) -> QSize:
        """With room for the text as it is when this one is chosen: bold."""
        bold = self.font()
        bold.setWeight(QFont.Weight.DemiBold)
        more = QFontMetrics(bold).horizontalAdvance(self.text()) - self.fontMetrics().horizontalAdvance(
            self.text()
        )
        return super().sizeHint() + QSize(max(0, more), 0)


class Segmented(QFrame):
    """`choices` are (key, label); `chosen` tells the key."""

    chosen = Signal(str)

    def __init__(self, choices: Sequence[tuple[str, str]], parent: QWidget, name: str = "") -> None:
        super().__init__(parent)
        self.setProperty("role", "inset")
        self.setAccessibleName(name)
        self._group = QButtonGroup(self)
        self._keys: dict[QAbstractButton, str] = {}
        layout = row(self, spacing=2, margins=2)
        for key, text in choices:
            part = Segment(text, self)
            part.setAccessibleName(f"{name}: {text}" if name else text)
            self._group.addButton(part)
            self._keys[part] = key
            layout.addWidget(part)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._group.buttonClicked.connect(self._clicked)
        self.choose(choices[0][0])

    @property
    def key(self) -> str:
        """What is chosen."""
        return self._keys[self._group.checkedButton()]

    def choose(self, key: str) -> None:
        """Show a choice without telling."""
        for part, own in self._keys.items():
            if own == key:
                part.setChecked(True)

    def allow(self, key: str, allowed: bool) -> None:
        """Show a choice or hide it."""
        for part, own in self._keys.items():
            if own == key:
                part.setVisible(allowed)

    def retitle(self, key: str, text: str) -> None:
        """Another text on one of the choices."""
        for part, own in self._keys.items():
            if own == key:
                part.setText(text)

    @Slot(QAbstractButton)
    def _clicked(self, part: QAbstractButton) -> None:
        self.chosen.emit(self._keys[part])
