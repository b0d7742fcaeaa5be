"""A number with its name, and a remark below."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from ui.widgets.basics import column, label


class Figure(QWidget):
    """A number with its name below, and a smaller remark."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        layout = column(self, spacing=1)
        self._name = label(name, "caption", parent=self)
        self._value = label("–", "figure", parent=self)
        self._remark = label("", "caption", parent=self)
        for part in (self._name, self._value, self._remark):
            layout.addWidget(part)

    def show_value(self, value: str, remark: str = "", name: str = "") -> None:
        """The number in words, the smaller remark below, and another name where one is given."""
        if name:
            self._name.setText(name)
        self._value.setText(value)
        self._remark.setText(remark or " ")
        self.setAccessibleName(f"{self._name.text()}: {value} {remark}".strip())
