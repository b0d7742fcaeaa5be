"""What every pane is: a page that draws the session when it is seen, and what it may ask of the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QLineEdit, QStackedLayout, QWidget

from ui.panes.empty import EmptyState
from ui.session import Session
from ui.theme import dress_late
from ui.widgets.lists.finder import Finder, SeenFinder
from ui.widgets.lists.search_field import SearchField

#: what the Runs pane is asked for by text
COMPARE = "compare"


@dataclass(frozen=True)
class PaneRequest:
    """Show the pane `key`, and hand it `paths` and a `text` (its `take` and `take_text` say what it makes of them)."""

    key: str
    paths: tuple[Path, ...] = ()
    text: str = ""


class Pane(QWidget):
    """`refresh` is called on the window's beat while the pane is seen and something changed, and when it appears.

    `asked` tells the window a `PaneRequest`: no pane knows another one.
    """

    asked = Signal(object)  # PaneRequest
    turned_over = Signal()  # it shows something else now: Find begins anew

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.session = session
        self._unseen: dict[Callable[[], object], None] = {}  # what is drawn when it is shown, in that order
        self.setProperty("role", "page")

    def refresh(self) -> None:
        """Draw what changed. Cheap when nothing did."""

    def when_seen(self, draw: Callable[[], object]) -> None:
        """Draw at once where the pane is seen, else once, when it is shown next: nobody looks at it meanwhile."""
        if self.isVisible():
            draw()
        else:
            self._unseen[draw] = None

    def prepare(self) -> bool:
        """Make a little of what it will need when it is first seen; whether there is more. Called while nothing goes on."""
        return False

    def take(self, paths: Sequence[Path]) -> None:
        """Something that another pane or a drop hands over, to be shown here. Most panes take nothing."""

    def take_text(self, text: str) -> None:
        """A text that another pane hands over. Most panes take none."""

    def find_here(self) -> bool:
        """Put the keyboard into the pane's own search field; False where it has none that is seen."""
        for field in self.findChildren(QLineEdit):
            if field.isVisible() and "search" in field.accessibleName().lower():
                field.setFocus(Qt.FocusReason.ShortcutFocusReason)
                field.selectAll()
                return True
        return False

    def finder(self) -> Finder:
        """What Find looks in where the pane has no search field of its own: all that it shows."""
        return SeenFinder(self)

    def find_next(self, forward: int) -> bool:
        """Go on in the pane's own search field by its lines; False where nothing is typed in one."""
        for field in self.findChildren(SearchField):
            if field.isVisible() and field.text():
                field.stepped.emit(forward)
                return True
        return False

    def put_back(self) -> bool:
        """Undo what was thrown away here last; False where there is nothing to put back."""
        return False

    def point_out(self) -> bool:
        """Show what keeps the next run from starting, where this pane knows of anything; whether it did."""
        return False

    def ask(self, key: str, *paths: Path, text: str = "") -> None:
        """Ask the window for another pane, with something to show there."""
        self.asked.emit(PaneRequest(key, paths, text))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        dress_late(self)
        unseen, self._unseen = self._unseen, {}
        for draw in unseen:
            draw()
        self.refresh()

    def shut(self) -> None:
        """The window closes: let go of threads and files."""


class FillingPane(Pane):
    """Until there is something to show it says what it will be, with a button that leads to the Setup pane."""

    def __init__(self, session: Session, parent: QWidget, icon: str, title: str, words: str) -> None:
        super().__init__(session, parent)
        self._pages = QStackedLayout(self)
        empty = EmptyState(icon, title, words, "Set Up a Run", parent=self)
        empty.asked.connect(self._ask_for_setup)
        self._pages.addWidget(empty)

    def add_content(self, content: QWidget) -> None:
        """What is shown once there is something."""
        self._pages.addWidget(content)

    def show_content(self, filled: bool) -> None:
        """The content, or that there is none yet."""
        self._pages.setCurrentIndex(int(filled))

    @Slot()
    def _ask_for_setup(self) -> None:
        self.ask("setup")
