"""What Find looks in: the texts that a pane shows, or something of the pane's own that is too long to be shown at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PySide6.QtCore import QObject, QPoint, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QTextDocumentFragment
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QComboBox,
    QLabel,
    QListView,
    QScrollArea,
    QTableView,
    QWidget,
)

from droid_tune import words
from ui.widgets.restyling import restyle
from ui.widgets.texts.text_page import TextPage

#: how long what was found is marked
MARKED_MS = 1500
#: a table of more cells is not searched while a key is down; one that reads from disk has a finder of its own
MOST_CELLS = 20_000


class Finder(QObject):
    """Looks for a text; `said` tells how many places there are and which one is shown, `Not found` where there is none."""

    said = Signal(str)

    def look_for(self, text: str) -> None:
        """Look from the start for this text, and show the first place; nothing is looked for where it is empty."""
        raise NotImplementedError

    def go(self, forward: int) -> None:
        """To the next place (1) or the one before (-1), around the end."""
        raise NotImplementedError

    def end(self) -> None:
        """Nobody looks any more: marks go, searches end."""
        raise NotImplementedError


@dataclass(frozen=True)
class FoundPlace:
    """A label or button that says what was looked for, or a line of a table."""

    widget: QWidget
    line: int | None = None


class SeenFinder(Finder):
    """Every text of a pane that can be seen or scrolled to: labels, buttons, and the lines of its tables and lists."""

    def __init__(self, pane: QWidget) -> None:
        super().__init__(pane)
        self._pane = pane
        self._wanted = ""
        self._place = -1
        self._marked: QWidget | None = None

    def look_for(self, text: str) -> None:
        self._wanted, self._place = text.strip().casefold(), -1
        self.go(1)

    def go(self, forward: int) -> None:
        found = found_in(self._pane, self._wanted) if self._wanted else []
        self.end()
        if not found:
            self.said.emit("Not found" if self._wanted else "")
            return
        self._place = (self._place + forward) % len(found)
        self.said.emit(f"{self._place + 1:,} of {words.count(len(found), 'place')}")
        self._show(found[self._place])

    def end(self) -> None:
        self._unmark()

    def _show(self, found: FoundPlace) -> None:
        above = found.widget.parentWidget()
        while above is not None:
            if isinstance(above, QScrollArea):
                above.ensureWidgetVisible(found.widget)
            above = above.parentWidget()
        if isinstance(found.widget, QAbstractItemView) and found.line is not None:
            show_line(found.widget, found.line)
            return
        restyle(found.widget, "found", True)
        self._marked = found.widget
        QTimer.singleShot(MARKED_MS, self, self._unmark)

    @Slot()
    def _unmark(self) -> None:
        if self._marked is not None:
            restyle(self._marked, "found", False)
            self._marked = None


def show_line(view: QAbstractItemView, line: int) -> None:
    """Choose a line of a table or list and scroll to it."""
    index = view.model().index(line, 0)
    view.setCurrentIndex(index)
    view.scrollTo(index)


def found_in(pane: QWidget, wanted: str) -> list[FoundPlace]:
    """What of a pane says `wanted` (folded), from top to bottom."""
    said: list[QWidget] = [
        *(one for one in pane.findChildren(TextPage) if wanted in one.toPlainText().casefold()),
        *(one for one in pane.findChildren(QLabel) if wanted in _plain(one).casefold()),
        *(one for one in pane.findChildren(QAbstractButton) if wanted in one.text().casefold()),
    ]
    places = [(_corner(one, pane), FoundPlace(one)) for one in said if one.isVisibleTo(pane)]
    for kind in (QTableView, QListView):
        for view in pane.findChildren(kind):
            if view.isVisibleTo(pane) and not isinstance(view.parentWidget(), QComboBox):
                places += [
                    (_corner(view, pane, line), FoundPlace(view, line)) for line in _lines(view, wanted)
                ]
    return [place for _, place in sorted(places, key=lambda told: told[0])]


def _plain(one: QLabel) -> str:
    """What a person reads; of a text with marks the text alone."""
    rich = one.textFormat() == Qt.TextFormat.RichText
    return QTextDocumentFragment.fromHtml(one.text()).toPlainText() if rich else one.text()


def _corner(one: QWidget, pane: QWidget, line: int = 0) -> tuple[int, int, int]:
    corner = one.mapTo(pane, QPoint())
    return corner.y(), corner.x(), line


def _lines(view: QAbstractItemView, wanted: str) -> Iterator[int]:
    model = view.model()
    if model is None or model.rowCount() * model.columnCount() > MOST_CELLS:  # pyright: ignore[reportUnnecessaryComparison]
        return
    columns = range(model.columnCount())
    for line in range(model.rowCount()):
        cells = (model.index(line, place).data(Qt.ItemDataRole.DisplayRole) for place in columns)
        if any(wanted in str(cell).casefold() for cell in cells if cell is not None):
            yield line
