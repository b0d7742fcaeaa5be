"""An inline notice: what happened, what to do, and perhaps a button. Never a dialog."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QApplication, QFrame, QLabel, QPushButton, QToolButton, QWidget

from ui import icons
from ui.theme import current_theme
from ui.widgets.basics import column, prose, row, selectable
from ui.widgets.restyling import RingedButton

Level = Literal["info", "good", "warning", "error"]

_LOOK = {
    "info": ("info", "accent"),
    "good": ("check", "good"),
    "warning": ("warning", "warning"),
    "error": ("error", "bad"),
}


class NoticeBar(QFrame):
    """`actions` are button texts; `chosen` tells which was pressed. `closed` when it was waved away."""

    chosen = Signal(str)
    closed = Signal()

    def __init__(
        self,
        level: Level,
        text: str,
        remedy: str = "",
        *,
        actions: tuple[str, ...] = (),
        closable: bool = True,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setProperty("role", "notice")
        self.setProperty("level", level)
        layout = row(self, spacing=10)
        layout.setContentsMargins(12, 9, 8, 9)
        self._level: Level = level
        self._sign = QLabel(self)
        layout.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        words = column(spacing=2)
        self._said = selectable(prose(text, "strong" if remedy else "", parent=self))
        self._help = selectable(prose(remedy, "small", parent=self))
        words.addWidget(self._said)
        words.addWidget(self._help)
        words.addStretch(1)  # the text stays beside the sign, however tall the bar becomes
        layout.addLayout(words, 1)
        for place, action in enumerate(actions):
            layout.addWidget(self._action(action, primary=place == 0), 0, Qt.AlignmentFlag.AlignVCenter)
        self._shut = self._close_button() if closable else None
        if self._shut is not None:
            layout.addWidget(self._shut, 0, Qt.AlignmentFlag.AlignVCenter)
        self.say(text, remedy)
        self._tint()
        current_theme().changed.connect(self._tint)

    def say(self, text: str, remedy: str = "") -> None:
        """Other words in the same place: the newest count of the same thing."""
        self.text, self.remedy = text, remedy
        self._said.setText(text)
        self._help.setText(remedy)
        self._help.setVisible(bool(remedy))
        self.setAccessibleName(f"{self._level}: {text} {remedy}".strip())

    @Slot()
    def _tint(self) -> None:
        name, color = _LOOK[self._level]
        tokens = current_theme().tokens
        self._sign.setPixmap(icons.pixmap(name, getattr(tokens, color), 18))
        if self._shut is not None:
            self._shut.setIcon(icons.icon("close", tokens.secondary, size=14))

    def _action(self, text: str, *, primary: bool) -> QPushButton:
        pressed = RingedButton(text, self)
        pressed.setProperty("role", "primary" if primary else "")
        pressed.clicked.connect(self._choose)
        return pressed

    def _close_button(self) -> QToolButton:
        close = QToolButton(self)
        close.setFixedSize(24, 24)  # no taller than a line of text with its margins
        close.setAccessibleName("Dismiss")
        close.setToolTip("Dismiss")
        close.clicked.connect(self.dismiss)
        return close

    @Slot()
    def _choose(self) -> None:
        pressed = self.sender()
        if isinstance(pressed, QPushButton):
            self.chosen.emit(pressed.text())

    @Slot()
    def dismiss(self) -> None:
        """Wave it away: it is gone at once, and `closed` tells."""
        self._hand_on_focus()
        self.closed.emit()
        self.go()

    def go(self) -> None:
        """Be gone at once; nobody is told."""
        self._hand_on_focus()
        self.hide()
        self.deleteLater()

    def _hand_on_focus(self) -> None:
        """To the page around it: Qt would give the keys of a button that goes to the next one, which may be Train."""
        focused, around = QApplication.focusWidget(), self.parentWidget()
        if focused is not None and self.isAncestorOf(focused) and around is not None:
            (around.parentWidget() or around).setFocus()


#: how long a word that all went well stands where nothing is asked
GOOD_MS = 10_000


class NoticeStack(QWidget):
    """Notices above one another, the newest on top, each sentence once."""

    def __init__(self, parent: QWidget, most: int = 4) -> None:
        super().__init__(parent)
        self._most = most
        self._layout = column(self, spacing=6)
        self.hide()

    def add(self, level: Level, text: str, remedy: str = "", *, actions: tuple[str, ...] = ()) -> NoticeBar:
        """Put a notice on top; the same sentence further down and the oldest surplus go."""
        for old in self.bars():
            if old.text == text:
                self._remove(old)
        bar = NoticeBar(level, text, remedy, actions=actions, parent=self)
        bar.closed.connect(self._hide_when_empty)
        if level == "good" and not actions:
            QTimer.singleShot(GOOD_MS, bar, bar.dismiss)
        self._layout.insertWidget(0, bar)
        for surplus in self.bars()[self._most :]:
            self._remove(surplus)
        self.show()
        return bar

    def bars(self) -> list[NoticeBar]:
        """The notices that are shown, the newest first."""
        found = [self._layout.itemAt(place).widget() for place in range(self._layout.count())]
        return [bar for bar in found if isinstance(bar, NoticeBar)]

    def clear(self) -> None:
        """Take all of them away; nobody is told."""
        for bar in self.bars():
            self._remove(bar)
        self.hide()

    def remove(self, bar: NoticeBar) -> None:
        """Take one away that says nothing true any more; nobody is told, and one that is gone already stays so."""
        if bar in self.bars():
            self._remove(bar)
            self.setVisible(bool(self.bars()))

    def _remove(self, bar: NoticeBar) -> None:
        self._layout.removeWidget(bar)
        bar.go()

    @Slot()
    def _hide_when_empty(self) -> None:
        bar = self.sender()
        if isinstance(bar, NoticeBar):
            self._layout.removeWidget(bar)
        self.setVisible(bool(self.bars()))
