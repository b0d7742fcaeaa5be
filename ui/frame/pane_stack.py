"""The panes on top of one another: made when they are first looked at, one seen at a time."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QStackedWidget, QWidget

from ui.frame.restoring import kept_looks, restore_looks
from ui.panes.base import Pane, PaneRequest
from ui.panes.table import PANES_BY_KEY
from ui.session import Session


class PaneStack(QStackedWidget):
    """`turned` tells the key of the pane that is seen now. `made` are those that were looked at, by key."""

    turned = Signal(str)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self.made: dict[str, Pane] = {}

    def pane(self, key: str) -> Pane:
        """The pane, made on first use: plots and tables take a moment that the first paint should not wait for."""
        if key not in self.made:
            made = PANES_BY_KEY[key].make(self._session, self)
            made.asked.connect(self.fulfil)
            self.made[key] = made
            self.addWidget(made)
            restore_looks(made, self._session.settings.looks_of(key))
        return self.made[key]

    @Slot(str)
    def turn_to(self, key: str) -> None:
        """Show a pane; the window opens with it the next time."""
        self.setCurrentWidget(self.pane(key))
        self._session.settings.pane = key
        self.turned.emit(key)

    def turn_back(self) -> None:
        """Show the pane that was seen last; Setup where there is none of that key any more."""
        last = self._session.settings.pane
        self.turn_to(last if last in PANES_BY_KEY else "setup")

    def current_key(self) -> str:
        """The key of the pane that is seen."""
        return self._session.settings.pane

    def current_pane(self) -> Pane | None:
        """The pane that is seen."""
        current = self.currentWidget()
        return current if isinstance(current, Pane) else None

    @Slot(object)
    def fulfil(self, request: PaneRequest) -> None:
        """What one pane asks of another."""
        self.turn_to(request.key)
        if request.paths:
            self.pane(request.key).take(request.paths)
        if request.text:
            self.pane(request.key).take_text(request.text)

    def keep_looks(self) -> None:
        """Put what the panes look like into the settings."""
        self._session.settings.looks |= {key: dict(kept_looks(pane)) for key, pane in self.made.items()}

    def shut(self) -> None:
        """The window closes: every pane lets go of its threads and files."""
        for pane in self.made.values():
            pane.shut()
