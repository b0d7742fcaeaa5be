"""The completions of a whole run as a table: what is seen is read in pages, the rest stays on disk."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from droid_tune import words
from droid_tune.metrics import describe
from droid_tune.runs.completions.asking import CompletionLine, lines_of
from ui.panes.rollouts.completion_desk import CompletionDesk
from ui.theme import current_theme
from ui.widgets.state_chip import reward_tone

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
PAGE = 128
KEPT_PAGES = 24
#: characters of a completion in its cell
CELL = 240
#: the columns before those of the reward's parts, by the name that sorting uses; "" cannot be sorted by
COLUMNS = (
    ("step", "Step"),
    ("row", "Row"),
    ("reward", "Reward"),
    ("", "Completion"),
    ("length", "Tokens"),
    ("advantage", "Advantage"),
)
#: the place of the column with the text; the others have numbers
TEXT_PLACE = 3


class CompletionsModel(QAbstractTableModel):
    """Ids in order; the lines of a page are read when a cell of it is first asked for."""

    def __init__(self, desk: CompletionDesk, parent: QObject) -> None:
        super().__init__(parent)
        self._desk = desk
        self._ids = array("q")
        self._pages: OrderedDict[int, list[CompletionLine]] = OrderedDict()
        self._columns: tuple[tuple[str, str], ...] = COLUMNS

    def show(self, ids: Sequence[int]) -> None:
        """Show these from now on."""
        self.beginResetModel()
        self._ids = array("q", ids)
        self._pages.clear()
        parts = tuple((name, describe(f"rewards/{name}/mean").label) for name in self._desk.parts)
        self._columns = (*COLUMNS, *parts)
        self.endResetModel()

    @property
    def ids(self) -> Sequence[int]:
        """All of them, in order."""
        return self._ids

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """(name to sort by, heading) of each column."""
        return self._columns

    def line(self, row: int) -> CompletionLine | None:
        """A completion as a cell shows it, the text cut; None where it is gone."""
        if not 0 <= row < len(self._ids):
            return None
        page, place = divmod(row, PAGE)
        lines = self._page(page)
        return lines[place] if place < len(lines) else None

    def _page(self, number: int) -> list[CompletionLine]:
        if number in self._pages:
            self._pages.move_to_end(number)
            return self._pages[number]
        index = self._desk.index
        if index is None:
            return []  # for now: ids may come before the desk has heard that the table is there
        ids = self._ids[number * PAGE : (number + 1) * PAGE]
        self._pages[number] = lines_of(index, ids, CELL)
        while len(self._pages) > KEPT_PAGES:
            self._pages.popitem(last=False)
        return self._pages[number]

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._ids)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._columns)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and section != TEXT_PLACE:  # as the numbers below it
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return self._columns[section][1] if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        numbers = index.column() != TEXT_PLACE
        if role == Qt.ItemDataRole.TextAlignmentRole and numbers:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.DisplayRole:
            line = self.line(index.row())
            return "" if line is None else self._text(line, self._columns[index.column()][0])
        if role == Qt.ItemDataRole.ForegroundRole and self._columns[index.column()][0] == "reward":
            line = self.line(index.row())
            return None if line is None else current_theme().color(reward_tone(line.reward)[0])
        return None

    def _text(self, line: CompletionLine, name: str) -> str:
        match name:
            case "step" | "length":
                return f"{getattr(line, name):,}"
            case "row":
                return "" if line.row is None else f"{line.row + 1:,}"
            case "reward":
                return words.metric("reward", line.reward)
            case "advantage":
                return "" if line.held_out else words.advantage(line.advantage)
            case "":
                cut = "✂ " if line.cut else ""
                return cut + words.literal(" ".join(line.text[:CELL].split()))
            case _:
                return words.metric("reward", line.parts.get(name))
