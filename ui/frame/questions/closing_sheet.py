"""Asked before a window closes whose run is training: a sheet of it, as a Mac asks about what would be lost."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QDialog, QLayout, QWidget

from ui.widgets.basics import button, column, fit, label, row

STOP_AND_SAVE, KEEP_TRAINING = "Stop and Save", "Keep Training"
WIDTH = 420


class ClosingSheet(QDialog):
    """`stop_and_save` tells the one answer; the other, Escape and Cmd-. leave everything as it is."""

    stop_and_save = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Sheet)
        self.setWindowTitle("A Run Is Training")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        layout = column(self, spacing=12, margins=20)
        layout.addWidget(label("A run is training.", "heading", parent=self, wrap=True))
        said = "Stop and save: the window closes as soon as the run is saved, and it can go on later."
        layout.addWidget(label(said, "secondary", parent=self, wrap=True))
        layout.addLayout(self._buttons())
        fit(self, layout, WIDTH)

    def _buttons(self) -> QLayout:
        buttons = row(spacing=8)
        keep = button(KEEP_TRAINING, parent=self)
        keep.clicked.connect(self.reject)
        stop = button(STOP_AND_SAVE, "primary", parent=self)
        stop.setDefault(True)
        stop.clicked.connect(self.choose_stop)
        buttons.addStretch(1)
        buttons.addWidget(keep)
        buttons.addWidget(stop)
        return buttons

    @Slot()
    def choose_stop(self) -> None:
        """As if Stop and Save were pressed."""
        self.accept()
        self.stop_and_save.emit()
