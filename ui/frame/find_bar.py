"""Find in what a pane shows, one place after the other."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QLineEdit, QWidget

from ui.panes.base import Pane
from ui.widgets.basics import button, label, row
from ui.widgets.lists.finder import Finder


class FindBar(QFrame):
    """Return goes on to the next place, Shift-Return to the one before, Escape closes."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "findbar")
        layout = row(self, spacing=8)
        layout.setContentsMargins(20, 6, 20, 6)
        self.field = QLineEdit(self)
        self.field.setPlaceholderText("Find in this pane")
        self.field.setAccessibleName("Find in this pane")
        self.field.setClearButtonEnabled(True)
        self.field.textChanged.connect(self._begin)
        self.said = label("", "small", parent=self)
        back = button("", parent=self, icon="up", help="The place before")
        on = button("", parent=self, icon="down", help="The next place")
        back.clicked.connect(self._back)
        on.clicked.connect(self._on)
        done = button("Done", parent=self)
        done.clicked.connect(self.close_bar)
        layout.addWidget(self.field, 1)
        for part in (self.said, back, on, done):
            layout.addWidget(part)
        self._pane: Pane | None = None
        self._finder: Finder | None = None
        self.hide()

    def open_for(self, pane: Pane) -> None:
        """Look in this pane from now on, for what was looked for last."""
        self._look_in(pane)
        self.show()
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()

    def _look_in(self, pane: Pane) -> None:
        self._leave()
        self._pane, self._finder = pane, pane.finder()
        self._finder.said.connect(self._say)
        pane.turned_over.connect(self._again)
        self._begin()

    @Slot()
    def close_bar(self) -> None:
        """Put it away; the keyboard goes back to the pane."""
        pane = self._pane
        self.leave()
        if pane is not None:
            pane.setFocus(Qt.FocusReason.OtherFocusReason)

    def leave(self) -> None:
        """Put it away: another pane is looked at."""
        self._leave()
        self.hide()

    def _leave(self) -> None:
        if self._finder is not None:
            self._finder.said.disconnect(self._say)
            self._finder.end()
            self._finder.deleteLater()
            self._finder = None
        if self._pane is not None:
            self._pane.turned_over.disconnect(self._again)
            self._pane = None

    def go(self, forward: int) -> None:
        """To the next place (1) or the one before (-1), around the end."""
        if self._finder is not None:
            self._finder.go(forward)

    @Slot()
    def _again(self) -> None:
        """The pane shows something else."""
        pane = self._pane
        if pane is None:
            return
        if pane.find_here():  # it has a field of its own there
            self.leave()
        else:
            self._look_in(pane)

    @Slot()
    def _begin(self) -> None:
        if self._finder is not None:
            self._finder.look_for(self.field.text())

    @Slot()
    def _on(self) -> None:
        self.go(1)

    @Slot()
    def _back(self) -> None:
        self.go(-1)

    @Slot(str)
    def _say(self, sentence: str) -> None:
        self.said.setText(sentence)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.go(-1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1)
        elif event.key() == Qt.Key.Key_Escape:
            self.close_bar()
        else:
            super().keyPressEvent(event)
