"""A form made from the config's own words: title, help, bounds, default, fault next to the field.

Knows fields and values, not where they are kept: the owner shows values in and hears `edited` and `reset`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QToolButton, QVBoxLayout, QWidget

from ui import icons
from ui.form.editors import ChoiceEditor, Editor, SwitchEditor, TextEditor
from ui.form.fields import FieldSpec, Kind
from ui.form.run_picker import RunEditor
from ui.theme import current_theme
from ui.widgets.basics import column, label, line, plain_tip, prose, row
from ui.widgets.restyling import RingedButton

EDITORS: dict[Kind, type[Editor]] = {"switch": SwitchEditor, "choice": ChoiceEditor, "run": RunEditor}


class SettingRow(QWidget):
    """Title and help on the left, the editor on the right, the fault below."""

    edited = Signal(str, object)
    reset = Signal(str)

    def __init__(self, spec: FieldSpec, parent: QWidget) -> None:
        super().__init__(parent)
        self.spec = spec
        self.editor = EDITORS.get(spec.kind, TextEditor)(spec, self)
        self.editor.edited.connect(self._edited)
        self.editor.setToolTip(f"{spec.path}\n{spec.bounds}".strip())
        self._changed = self._reset_button()
        self._reset_color = ""
        self._fault = prose("", "fault", parent=self)
        self._fault.hide()
        outer = column(self, spacing=2)
        outer.setContentsMargins(14, 8, 8, 8)
        top = row(spacing=10)
        top.addLayout(self._words(), 1)
        top.addWidget(self.editor, 0, Qt.AlignmentFlag.AlignVCenter)
        top.addWidget(self._changed, 0, Qt.AlignmentFlag.AlignVCenter)
        outer.addLayout(top)
        outer.addWidget(self._fault)

    def show_value(self, value: Any, *, changed: bool) -> None:
        """Show a value without telling of it; `changed` offers the way back to the default."""
        self.editor.show_value(value)
        self._changed.setEnabled(changed)
        color = current_theme().tokens.accent if changed else "none"
        if color != self._reset_color:  # drawing an icon takes longer than all the rest of a row
            self._reset_color = color
            self._changed.setIcon(icons.icon("reset", color, size=14))

    def show_default(self, text: str) -> None:
        """What an empty field means."""
        if isinstance(self.editor, TextEditor):
            self.editor.show_placeholder(text)

    def offer(self, words: Sequence[str]) -> None:
        """What may be written here: completed while typing, and listed in the tool tip."""
        if isinstance(self.editor, TextEditor):
            self.editor.offer(words)
            listed = "one of: " + ", ".join(words) if words else ""
            self.editor.setToolTip(plain_tip(f"{self.spec.path}\n{listed}".strip()))

    def show_fault(self, sentence: str) -> None:
        """Say below the field what is wrong with it; nothing takes the sentence away."""
        self.editor.show_fault(bool(sentence))
        self._fault.setText(sentence)
        self._fault.setVisible(bool(sentence))
        self._fault.setAccessibleName(f"{self.spec.title}: {sentence}" if sentence else "")

    @property
    def fault(self) -> str:
        """The sentence below the field."""
        return self._fault.text()

    def _words(self) -> QVBoxLayout:
        words = column(spacing=1)
        words.addWidget(label(self.spec.title, parent=self))
        if self.spec.help:
            words.addWidget(prose(self.spec.told, "small", parent=self))
        return words

    def _reset_button(self) -> QToolButton:
        made = QToolButton(self)
        made.setToolTip("Back to the default")
        made.setAccessibleName(f"{self.spec.title}: back to the default")
        made.setFixedSize(24, 24)
        made.clicked.connect(self._ask_reset)
        made.setEnabled(False)
        return made

    @Slot(object)
    def _edited(self, value: object) -> None:
        self.edited.emit(self.spec.path, value)

    @Slot()
    def _ask_reset(self) -> None:
        self.reset.emit(self.spec.path)


class SettingsGroup(QFrame):
    """A card of settings; the advanced ones are made when their fold is first opened."""

    edited = Signal(str, object)
    reset = Signal(str)
    grown = Signal()  # advanced rows came to be: show their values

    def __init__(self, title: str, specs: list[FieldSpec], parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.setAccessibleName(title)
        self.rows: dict[str, SettingRow] = {}
        self._specs = {spec.path: spec for spec in specs}
        self._advanced = [spec for spec in specs if spec.advanced]
        self._layout = column(self, spacing=0)
        self._layout.setContentsMargins(0, 4, 0, 4)
        self._add([spec for spec in specs if not spec.advanced], self._layout)
        self._fold: Fold | None = None
        if self._advanced:
            if self.rows:
                self._layout.addWidget(line(self))
            self._fold = Fold(f"Advanced ({len(self._advanced)})", self._fill, self)
            self._layout.addWidget(self._fold)

    def paths(self) -> list[str]:
        """All its settings, those in a closed fold as well."""
        return [*self.rows, *(spec.path for spec in self._advanced if spec.path not in self.rows)]

    def spec(self, path: str) -> FieldSpec | None:
        """How a setting of this group is edited; None of another group's."""
        return self._specs.get(path)

    def reveal(self, path: str) -> SettingRow | None:
        """The row of a setting, its fold opened if need be."""
        if path not in self.rows and path in self.paths() and self._fold is not None:
            self._fold.open()
        return self.rows.get(path)

    def note_changes(self, count: int) -> None:
        """Say on the fold how many of its settings differ from their defaults."""
        if self._fold is not None:
            changed = f", {count} changed" if count else ""
            self._fold.retitle(f"Advanced ({len(self._advanced)}{changed})")

    def advanced_paths(self) -> list[str]:
        """The settings inside the fold."""
        return [spec.path for spec in self._advanced]

    def _fill(self, layout: QVBoxLayout) -> None:
        self._add(self._advanced, layout)
        self.grown.emit()

    def _add(self, specs: list[FieldSpec], layout: QVBoxLayout) -> None:
        for place, spec in enumerate(specs):
            if place:
                layout.addWidget(line(self))
            made = SettingRow(spec, self)
            made.edited.connect(self.edited)
            made.reset.connect(self.reset)
            self.rows[spec.path] = made
            layout.addWidget(made)


class Fold(QWidget):
    """A disclosure triangle over content that is made on first opening."""

    toggled = Signal(bool)

    def __init__(self, title: str, fill: Callable[[QVBoxLayout], None], parent: QWidget) -> None:
        super().__init__(parent)
        self._fill = fill
        self._filled = False
        self._button = RingedButton(title, self)
        self._button.setProperty("role", "disclosure")
        self._button.setCheckable(True)
        self._button.clicked.connect(self._clicked)
        self._content = QWidget(self)
        self._content.hide()
        layout = column(self, spacing=0)
        head = row()
        head.setContentsMargins(12, 2, 12, 2)
        head.addWidget(self._button)
        head.addStretch(1)
        layout.addLayout(head)
        layout.addWidget(self._content)
        self._inner = column(self._content, spacing=0)
        self._draw()
        current_theme().changed.connect(self._draw)

    def retitle(self, title: str) -> None:
        """Another title on the fold's button."""
        self._button.setText(title)

    def open(self) -> None:
        """Show what is inside, made on the first time."""
        self._button.setChecked(True)
        self._clicked(True)

    @Slot(bool)
    def _clicked(self, on: bool) -> None:
        if on and not self._filled:
            self._filled = True
            self._fill(self._inner)
        self._content.setVisible(on)
        self._draw()
        self.toggled.emit(on)

    @Slot()
    def _draw(self) -> None:
        name = "chevron-down" if self._button.isChecked() else "chevron-right"
        self._button.setIcon(icons.icon(name, current_theme().tokens.secondary, size=13))
