"""The data of the next run, in a card with a way to other data."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QWidget

from droid_tune import words
from ui.widgets.basics import button, column, row
from ui.widgets.elided_label import ElidedLabel

#: data that comes with the application, by its name in the settings
BUNDLED_WORDS = {
    "sample": ("Sample data", "Bundled arithmetic in words, for the starter model."),
    "tools-sample": ("Shop questions", "Bundled questions for the starter with tools."),
}


class DataCard(QFrame):
    """`change_asked` tells that other data is wanted."""

    change_asked = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        bar = row(self, spacing=10)
        bar.setContentsMargins(14, 10, 10, 10)
        lines = column(spacing=1)
        self._name = ElidedLabel("strong", self)
        self._place = ElidedLabel("small", self)
        lines.addWidget(self._name)
        lines.addWidget(self._place)
        bar.addLayout(lines, 1)
        change = button("Change…", parent=self)
        change.clicked.connect(self.change_asked)
        bar.addWidget(change)

    def show_data(self, path: str) -> None:
        """A file, a folder, a bundled name or a Hub id."""
        name, place = BUNDLED_WORDS.get(path, (path.rstrip("/").rpartition("/")[2], path))
        self._name.setText(words.literal(name))
        self._place.setText(words.literal(place))
