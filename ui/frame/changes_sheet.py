"""Asked before a run is resumed that is not as it was: go on, branch off as a new run, or leave it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog, QLayout, QScrollArea, QWidget

from droid_tune import words
from ui.widgets.basics import Page, button, column, fit, label, prose, row, scrolling, selectable

WIDTH, MARGIN = 520, 20
#: of the list; the whole is then as high as a window of 640 pixels has room for
MOST_HEIGHT = 340
HELP = "Going on may no longer be exact. A new run begins from the same checkpoint; this one stays as it is."
HELP_ALONE = "There is no checkpoint from which a new run could begin. Going on takes its curves back to the beginning."


class ChangesSheet(QDialog):
    """A sheet of the window. `go_on` and `branch_off` tell the answer; closing it leaves the run as it is."""

    go_on = Signal()
    branch_off = Signal()

    def __init__(self, name: str, changes: Sequence[str], parent: QWidget, *, branches: bool = True) -> None:
        """`branches`: whether there is a checkpoint from which a new run could begin."""
        super().__init__(parent, Qt.WindowType.Sheet)
        self.setWindowTitle("The Run Has Changed")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        layout = column(self, spacing=12, margins=MARGIN)
        title = f"“{words.literal(name)}” may not be as it was when it was trained last"
        layout.addWidget(label(title, "heading", parent=self, wrap=True))
        self.said = [words.literal(change) for change in changes]
        self._sentences, self._area = self._list()
        layout.addWidget(self._area)
        layout.addWidget(label(HELP if branches else HELP_ALONE, "secondary", parent=self, wrap=True))
        layout.addLayout(self._buttons(branches=branches))
        self._inside = layout
        self._fit()

    def showEvent(self, event: QShowEvent) -> None:
        """Now the style sheet counts, with its fonts."""
        self._fit()
        super().showEvent(event)

    def _fit(self) -> None:
        self._sentences.sizeHint()
        height = self._sentences.totalHeightForWidth(WIDTH - 2 * MARGIN)
        # A bar that stood there once would make the text narrower, and so stay.
        never, needed = Qt.ScrollBarPolicy.ScrollBarAlwaysOff, Qt.ScrollBarPolicy.ScrollBarAsNeeded
        self._area.setVerticalScrollBarPolicy(never if height <= MOST_HEIGHT else needed)
        self._area.setFixedHeight(min(MOST_HEIGHT, height))
        fit(self, self._inside, WIDTH)

    def _list(self) -> tuple[QLayout, QScrollArea]:
        """The sentences; they are scrolled where they are many, so that a small screen has room for the answers."""
        inside = Page(self)
        sentences = column(inside, spacing=8)
        for sentence in self.said:
            sentences.addWidget(selectable(prose(f"• {sentence}", parent=inside)))
        return sentences, scrolling(inside, self)

    def _buttons(self, *, branches: bool) -> QLayout:
        buttons = row(spacing=8)
        leave = button("Cancel", parent=self)
        go_on = button("Go On", parent=self)
        branch = button("Go On as a New Run", "primary", parent=self)
        branch.setVisible(branches)
        (branch if branches else leave).setDefault(True)  # Return, too, loses nothing
        leave.clicked.connect(self.close)
        branch.clicked.connect(self.choose_branch)
        go_on.clicked.connect(self.choose_go_on)
        buttons.addStretch(1)
        for pressed in (leave, go_on, branch):
            buttons.addWidget(pressed)
        return buttons

    @Slot()
    def choose_go_on(self) -> None:
        """As if Go On were pressed."""
        self.close()
        self.go_on.emit()

    @Slot()
    def choose_branch(self) -> None:
        """As if Go On as a New Run were pressed."""
        self.close()
        self.branch_off.emit()
