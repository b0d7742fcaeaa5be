"""Several files at once: which of them is trained on, which is held out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QWidget

from droid_tune import words
from droid_tune.data.reading.discover import assigned
from ui.panes.data.files_card import SPLIT_WORDS
from ui.widgets.basics import button, column, fit, label, plain_tip, prose
from ui.widgets.quiet_combo import QuietCombo

LEFT_OUT = "none"
WIDTH = 460


class SplitDialog(QDialog):
    """Begins with what the names say. `assigned` tells the paths by split."""

    assigned = Signal(object)  # dict[str, list[str]]

    def __init__(self, paths: Sequence[Path], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Several Files")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._combos: list[tuple[Path, QuietCombo]] = []
        layout = column(self, spacing=12, margins=20)
        layout.addWidget(label("What is each file for?", "heading", parent=self))
        words = "The model learns from the train files. Held-out files only measure how good it has become."
        layout.addWidget(label(words, "secondary", parent=self, wrap=True))
        layout.addLayout(self._files(paths))
        self._fault = prose("", "fault", parent=self)
        layout.addWidget(self._fault)
        layout.addWidget(self._buttons())
        fit(self, layout, WIDTH)
        self._check()

    def splits(self) -> dict[str, list[str]]:
        """The paths by split, without those that are left out."""
        chosen: dict[str, list[str]] = {}
        for path, combo in self._combos:
            if combo.currentData() != LEFT_OUT:
                chosen.setdefault(str(combo.currentData()), []).append(str(path))
        return chosen

    def choose(self, path: Path, split: str) -> None:
        """As if the user had put this file into a split."""
        for own, combo in self._combos:
            if own == path:
                combo.setCurrentIndex(combo.findData(split))

    def _files(self, paths: Sequence[Path]) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(8)
        grid.setColumnStretch(0, 1)
        for place, file in enumerate(assigned(paths)):
            name = label(words.literal(file.path.name), parent=self)
            name.setToolTip(plain_tip(str(file.path)))
            combo = QuietCombo(self)
            combo.setAccessibleName(f"What {file.path.name} is for")
            for key, word in (*SPLIT_WORDS.items(), (LEFT_OUT, "Leave out")):
                combo.addItem(word, key)
            combo.setCurrentIndex(combo.findData(file.split))
            grid.addWidget(name, place, 0)
            grid.addWidget(combo, place, 1)
            self._combos.append((file.path, combo))
        return grid

    def _buttons(self) -> QDialogButtonBox:
        box = QDialogButtonBox(self)
        cancel = button("Cancel", parent=self)
        self._open = button("Open", "primary", parent=self)
        self._open.setDefault(True)
        box.addButton(cancel, QDialogButtonBox.ButtonRole.RejectRole)
        box.addButton(self._open, QDialogButtonBox.ButtonRole.AcceptRole)
        box.accepted.connect(self.accept)
        box.rejected.connect(self.reject)
        self.accepted.connect(self._tell)
        for combo in self.findChildren(QuietCombo):
            combo.currentIndexChanged.connect(self._check)
        return box

    @Slot()
    def _check(self) -> None:
        trains = "train" in self.splits()
        self._fault.setText("" if trains else "None of the files is to train on; make one of them train.")
        self._open.setEnabled(trains)

    @Slot()
    def _tell(self) -> None:
        self.assigned.emit(self.splits())
