"""Find in what a pane shows: every text that can be seen or scrolled to, one after the other."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QFrame, QLabel, QLineEdit, QScrollArea, QWidget

from droid_tune import words
from ui.widgets.basics import button, label, restyle, row

#: how long what was found is marked
MARKED_MS = 1500


class FindBar(QFrame):
    """Return goes on to the next place, Shift-Return to the one before, Escape closes."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        layout = row(self, spacing=8)
        layout.setContentsMargins(12, 6, 8, 6)
        self.field = QLineEdit(self)
        self.field.setPlaceholderText("Find in this pane")
        self.field.setAccessibleName("Find in this pane")
        self.field.setClearButtonEnabled(True)
        self.field.textEdited.connect(self._begin)
        self.said = label("", "small", parent=self)
        done = button("Done", parent=self)
        done.clicked.connect(self.close_bar)
        layout.addWidget(self.field, 1)
        layout.addWidget(self.said)
        layout.addWidget(done)
        self._pane: QWidget | None = None
        self._place = -1
        self._marked: QWidget | None = None
        self.hide()

    def open_for(self, pane: QWidget) -> None:
        """Look in this pane from now on."""
        self._pane, self._place = pane, -1
        self.show()
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()

    @Slot()
    def close_bar(self) -> None:
        """Put it away; the keyboard goes back to the pane."""
        self._unmark()
        self.hide()
        if self._pane is not None:
            self._pane.setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot()
    def _begin(self) -> None:
        self._place = -1
        self.go(1)

    def go(self, forward: int) -> None:
        """To the next place (1) or the one before (-1), around the end."""
        wanted = self.field.text().strip().lower()
        found = found_in(self._pane, wanted) if self._pane is not None and wanted else []
        self._unmark()
        if not found:
            self.said.setText("Not found" if wanted else "")
            return
        self._place = (self._place + forward) % len(found)
        self.said.setText(f"{self._place + 1} of {words.count(len(found), 'place')}")
        self._show(found[self._place])

    def _show(self, found: QWidget) -> None:
        above = found.parentWidget()
        while above is not None:
            if isinstance(above, QScrollArea):
                above.ensureWidgetVisible(found)
            above = above.parentWidget()
        restyle(found, "found", True)
        self._marked = found
        QTimer.singleShot(MARKED_MS, self, self._unmark)

    @Slot()
    def _unmark(self) -> None:
        if self._marked is not None:
            restyle(self._marked, "found", False)
            self._marked = None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.go(-1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1)
        elif event.key() == Qt.Key.Key_Escape:
            self.close_bar()
        else:
            super().keyPressEvent(event)


def found_in(pane: QWidget, wanted: str) -> list[QWidget]:
    """The labels and buttons of a pane that say `wanted` (in small letters), from top to bottom."""
    said: list[QWidget] = [
        *(one for one in pane.findChildren(QLabel) if wanted in one.text().lower()),
        *(one for one in pane.findChildren(QAbstractButton) if wanted in one.text().lower()),
    ]
    seen = [one for one in said if one.isVisibleTo(pane)]
    return sorted(seen, key=lambda one: (one.mapTo(pane, one.rect().topLeft()).y(), one.x()))
