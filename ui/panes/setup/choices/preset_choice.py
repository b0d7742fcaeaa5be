"""The choice of a preset, with a sentence about the chosen one."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QWidget

from droid_tune.config import PRESETS
from ui.widgets.basics import column, prose
from ui.widgets.segmented import Segmented


class PresetChoice(QWidget):
    """`chosen` tells the preset's key."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        lines = column(self, spacing=8)
        self._keys = Segmented([(key, preset.title) for key, preset in PRESETS.items()], self, "Preset")
        self._keys.chosen.connect(self._choose)
        lines.addWidget(self._keys)
        self._words = prose("", "small", parent=self)
        lines.addWidget(self._words)

    def show_preset(self, preset: str) -> None:
        """Show a choice without telling."""
        self._keys.choose(preset)
        self._words.setText(PRESETS[preset].summary)

    @Slot(str)
    def _choose(self, preset: str) -> None:
        self._words.setText(PRESETS[preset].summary)
        self.chosen.emit(preset)
