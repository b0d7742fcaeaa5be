"""One editor per kind of setting. `edited` tells the value; text that is no number is told as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QCompleter, QLineEdit, QWidget

from droid_tune.config.setting_titles import choice_label
from ui.form.fields import FieldSpec, Kind, as_text, from_text
from ui.theme import current_theme
from ui.widgets.basics import row
from ui.widgets.quiet_combo import QuietCombo
from ui.widgets.restyling import restyle
from ui.widgets.switch import Switch

FIELD_WIDTH = 190
NUMBER_WIDTH = 124
#: how a kind of value is written, while the field is empty
EXAMPLES: dict[Kind, str] = {"words": "a, b, c", "pairs": "prompt: query", "table": "name: {setting: 3}"}


class UnitField(QLineEdit):
    """A number with its unit inside the field, so that fields align."""

    def __init__(self, unit: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._unit = unit
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        if unit:
            self.setTextMargins(0, 0, self.fontMetrics().horizontalAdvance(unit) + 4, 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._unit:
            return
        painter = QPainter(self)
        painter.setPen(QColor(current_theme().tokens.tertiary))
        area = self.rect().adjusted(0, 0, -9, 0)
        painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self._unit)
        painter.end()


class Editor(QWidget):
    """Shows a value and tells what the user makes of it."""

    edited = Signal(object)

    def __init__(self, spec: FieldSpec, parent: QWidget) -> None:
        super().__init__(parent)
        self.spec = spec
        self.box = row(self, spacing=6)
        self.box.addStretch(1)

    def show_value(self, value: Any) -> None:
        """Show a value without telling it."""
        raise NotImplementedError

    def show_fault(self, faulty: bool) -> None:
        """Mark the field, or not."""


class SwitchEditor(Editor):
    """On or off."""

    def __init__(self, spec: FieldSpec, parent: QWidget) -> None:
        super().__init__(spec, parent)
        self._switch = Switch(spec.title, self)
        self._switch.clicked.connect(self._clicked)
        self.box.addWidget(self._switch)
        self.setFocusProxy(self._switch)

    def show_value(self, value: Any) -> None:
        self._switch.setChecked(bool(value))

    @Slot(bool)
    def _clicked(self, on: bool) -> None:
        self.edited.emit(on)


class ChoiceEditor(Editor):
    """One of a few words."""

    def __init__(self, spec: FieldSpec, parent: QWidget) -> None:
        super().__init__(spec, parent)
        self._combo = QuietCombo(self)
        self._combo.setAccessibleName(spec.title)
        self._combo.setMinimumWidth(FIELD_WIDTH)
        for value in spec.choices:
            self._combo.addItem(choice_label(value), value)
        self._combo.activated.connect(self._activated)
        self.box.addWidget(self._combo)
        self.setFocusProxy(self._combo)

    def show_value(self, value: Any) -> None:
        self._combo.setCurrentIndex(self._combo.findData(value))

    def show_fault(self, faulty: bool) -> None:
        """Mark the field as one to be mended, or no longer."""
        restyle(self._combo, "fault", faulty)

    @Slot(int)
    def _activated(self, place: int) -> None:
        self.edited.emit(self._combo.itemData(place))


class WordCompleter(QCompleter):
    """Completes the last word of a comma-separated list."""

    def __init__(self, words: Sequence[str], field: QLineEdit) -> None:
        super().__init__(list(words), field)
        self._field = field
        self.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setFilterMode(Qt.MatchFlag.MatchContains)

    def splitPath(self, path: str) -> list[str]:
        return [path.rpartition(",")[2].strip()]

    def pathFromIndex(self, index: QModelIndex | QPersistentModelIndex) -> str:
        before, comma, _ = self._field.text().rpartition(",")
        return f"{before}{comma} {index.data()}".strip()


class TextEditor(Editor):
    """Numbers, texts, comma-separated words, `key: name` pairs and tables of settings."""

    def __init__(self, spec: FieldSpec, parent: QWidget) -> None:
        super().__init__(spec, parent)
        self.field = UnitField(spec.unit, self) if spec.kind == "number" else QLineEdit(self)
        self.field.setAccessibleName(spec.title)
        self.field.setFixedWidth(NUMBER_WIDTH if spec.kind == "number" else FIELD_WIDTH)
        self.field.setPlaceholderText(EXAMPLES.get(spec.kind, ""))
        self.field.textEdited.connect(self._edited)
        self._offered: tuple[str, ...] = ()
        self.box.addWidget(self.field)
        self.setFocusProxy(self.field)

    def show_value(self, value: Any) -> None:
        text = as_text(value, self.spec.kind) if not isinstance(value, str) else value
        if from_text(self.field.text(), self.spec) != value or not self.field.text():
            self.field.setText(text)

    def show_placeholder(self, text: str) -> None:
        """What stands in the field while it is empty."""
        self.field.setPlaceholderText(text)

    def offer(self, words: Sequence[str]) -> None:
        """Complete what is typed from these words."""
        if self._offered == tuple(words):
            return
        self._offered = tuple(words)
        completer = WordCompleter(words, self.field)
        completer.activated.connect(self._edited)  # a completed text is set, not edited
        self.field.setCompleter(completer)

    def show_fault(self, faulty: bool) -> None:
        """Mark the field as one to be mended, or no longer."""
        restyle(self.field, "fault", faulty)

    @Slot(str)
    def _edited(self, text: str) -> None:
        self.edited.emit(from_text(text, self.spec))
