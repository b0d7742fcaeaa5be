"""How far the look through the data has come, with a way to end it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from droid_tune import words
from droid_tune.data.reading.hub_dataset import HUB_PREFIX
from ui.widgets.basics import button, label, row
from ui.widgets.calm_bar import CalmBar


class LookingBar(QWidget):
    """Hidden until something begins."""

    cancelled = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        bar = row(self, spacing=10)
        self._what = label("", "small", parent=self)
        self._done = CalmBar(self)
        self._done.setRange(0, 1000)
        self._done.setTextVisible(False)
        self._done.setAccessibleName("Looking through the data")
        cancel = button("Cancel", "quiet", parent=self)
        cancel.clicked.connect(self.cancelled)
        bar.addWidget(self._what)
        bar.addWidget(self._done, 1)
        bar.addWidget(cancel)
        self.hide()

    def begin(self, path: str) -> None:
        """A look at this data begins."""
        self._what.setText("Asking the Hub" if path.startswith(HUB_PREFIX) else "Looking through the data")
        self._done.setValue(0)
        self.show()

    def show_progress(self, thousandths: int, file: str) -> None:
        """How much of this file was read."""
        self._what.setText(words.literal(f"Looking through {file}"))
        self._done.setValue(thousandths)
