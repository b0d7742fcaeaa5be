"""Choose an earlier run: those that have a result, or a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QComboBox, QFileDialog, QWidget

from droid_tune import words
from ui.form.editors import Editor
from ui.form.fields import FieldSpec
from ui.form.starting_runs import Start
from ui.widgets.basics import plain_tip
from ui.widgets.quiet_combo import QuietCombo
from ui.widgets.restyling import restyle

NONE = Start("", "No run: start fresh")
BROWSE = "Choose Folder…"
WIDTH = 300


class RunEditor(Editor):
    """`edited` tells the run's id or folder, nothing for none."""

    def __init__(self, spec: FieldSpec, parent: QWidget) -> None:
        super().__init__(spec, parent)
        self._value = ""
        self._combo = QuietCombo(self)
        self._combo.setAccessibleName(spec.title)
        self._combo.setFixedWidth(WIDTH)
        self._combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._combo.activated.connect(self._activated)
        self.box.addWidget(self._combo)
        self.setFocusProxy(self._combo)
        self.offer_runs(())

    def offer_runs(self, runs: Sequence[Start]) -> None:
        """What can be chosen; the present choice stays, also where it is none of these."""
        self._combo.clear()
        for start in (NONE, *runs):
            self._combo.addItem(start.words, start.value)
        self._combo.insertSeparator(self._combo.count())
        self._combo.addItem(BROWSE)
        self.show_value(self._value)

    def show_value(self, value: Any) -> None:
        self._value = str(value)
        if self._combo.findData(self._value) < 0:
            self._combo.insertItem(1, words.literal(Path(self._value).name), self._value)
        self._combo.setCurrentIndex(self._combo.findData(self._value))
        self._combo.setToolTip(plain_tip(self._value))

    def show_fault(self, faulty: bool) -> None:
        restyle(self._combo, "fault", faulty)

    @Slot(int)
    def _activated(self, place: int) -> None:
        if place == self._combo.count() - 1:
            self._browse()
        elif self._combo.itemData(place) != self._value:
            self.edited.emit(self._combo.itemData(place))

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self, "Choose the folder of an earlier run", str(Path.home())
        )
        if folder:
            self.edited.emit(folder)
        else:
            self.show_value(self._value)
