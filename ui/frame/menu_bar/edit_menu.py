"""The Edit menu: the text field that is written in comes first, then the form of the next run, and Find."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QLineEdit, QMainWindow

from ui.form.draft_history import DraftHistory
from ui.frame.find_bar import FindBar
from ui.frame.menus import MenuCommand, add_menu
from ui.frame.pane_stack import PaneStack
from ui.session import Session


class EditMenu(QObject):
    """Text fields answer the keys themselves; the menu shows that they do. Undo takes back changes of the form."""

    def __init__(self, session: Session, panes: PaneStack, find_bar: FindBar, window: QMainWindow) -> None:
        super().__init__(window)
        self._panes, self._find_bar, self._window = panes, find_bar, window
        self._history = DraftHistory(session, window)
        menu, self._actions = add_menu(window, "Edit", self._commands())
        menu.aboutToShow.connect(self._show_what_can_be_undone)
        menu.aboutToHide.connect(self._allow_undo)

    def _commands(self) -> list[MenuCommand | None]:
        standard = QKeySequence.StandardKey
        return [
            MenuCommand("undo", "Undo", partial(self._take_back, "undo"), standard.Undo),
            MenuCommand("redo", "Redo", partial(self._take_back, "redo"), standard.Redo),
            None,
            MenuCommand("cut", "Cut", partial(self._edit, "cut"), standard.Cut),
            MenuCommand("copy", "Copy", partial(self._edit, "copy"), standard.Copy),
            MenuCommand("paste", "Paste", partial(self._edit, "paste"), standard.Paste),
            MenuCommand("selectAll", "Select All", partial(self._edit, "selectAll"), standard.SelectAll),
            None,
            MenuCommand("find", "Find…", self._find, standard.Find),
            MenuCommand("find_next", "Find Next", partial(self._find_on, 1), standard.FindNext),
            MenuCommand("find_back", "Find Previous", partial(self._find_on, -1), standard.FindPrevious),
        ]

    def _edit(self, name: str) -> None:
        handler = getattr(self._window.focusWidget(), name, None)
        if handler is not None:
            handler()

    def _take_back(self, name: str) -> None:
        """In the text field that is written in, where it has something; else in the form."""
        field = self._window.focusWidget()
        available = f"is{name.capitalize()}Available"
        document = getattr(field, "document", lambda: field)()
        if getattr(document, available, bool)():
            self._edit(name)
        elif name == "undo":
            current = self._panes.current_pane()
            if current is None or not current.put_back():
                self._history.undo()
        else:
            self._history.redo()

    @Slot()
    def _show_what_can_be_undone(self) -> None:
        writing = isinstance(self._window.focusWidget(), QLineEdit)
        self._actions["undo"].setEnabled(self._history.can_undo or writing)
        self._actions["redo"].setEnabled(self._history.can_redo or writing)

    @Slot()
    def _allow_undo(self) -> None:
        """A disabled action would swallow its key."""
        for name in ("undo", "redo"):
            self._actions[name].setEnabled(True)

    @Slot()
    def _find(self) -> None:
        """In the pane's own search field where it has one, else in all that it shows."""
        current = self._panes.current_pane()
        if current is not None and not current.find_here():
            self._find_bar.open_for(current)

    def _find_on(self, forward: int) -> None:
        """To the next place of what is looked for; where nothing is, Find asks what it should be."""
        current = self._panes.current_pane()
        if self._find_bar.isVisible():
            self._find_bar.go(forward)
        elif current is not None and not current.find_next(forward):
            self._find()
