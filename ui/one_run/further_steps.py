"""How many steps a run that has ended is to be trained further: asked inline, never in a dialog."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QSpinBox, QWidget

from ui.widgets.basics import button, column, label, row

MOST_STEPS = 10_000_000


class FurtherSteps(QFrame):
    """`chosen` tells the number of steps; Escape and Cancel put the question away."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        layout = column(self, spacing=4)
        layout.setContentsMargins(14, 10, 10, 10)
        line = row(spacing=10)
        line.addWidget(label("Further steps", "strong", parent=self))
        self._steps = QSpinBox(self)
        self._steps.setRange(1, MOST_STEPS)
        self._steps.setGroupSeparatorShown(True)
        self._steps.setMinimumWidth(110)
        self._steps.setAccessibleName("Further steps")
        line.addWidget(self._steps)
        line.addStretch(1)
        cancel = button("Cancel", "quiet", parent=self)
        cancel.clicked.connect(self.hide)
        line.addWidget(cancel)
        going = button("Train", "primary", parent=self, icon="train")
        going.clicked.connect(self.go)
        line.addWidget(going)
        layout.addLayout(line)
        words = "The run goes on from where it ended, on the same curves. A learning rate that falls is stretched to the new end."
        layout.addWidget(label(words, "small", parent=self, wrap=True))
        self.hide()

    def ask(self, steps: int) -> None:
        """Show the question with a proposal."""
        self.show_steps(steps)
        self.show()
        self._steps.setFocus(Qt.FocusReason.OtherFocusReason)
        self._steps.selectAll()

    def show_steps(self, steps: int) -> None:
        """Propose a number of steps, at least 1."""
        self._steps.setValue(max(1, steps))

    @property
    def steps(self) -> int:
        """The number in the field."""
        return self._steps.value()

    @Slot()
    def go(self) -> None:
        """As if Train were pressed."""
        self.hide()
        self.chosen.emit(self.steps)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.go()
        elif event.key() == Qt.Key.Key_Escape:
            self.hide()
        else:
            super().keyPressEvent(event)
