"""What is wrong: a table of findings, and the raw text around the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QSplitter, QWidget

from droid_tune import words
from droid_tune.data.issues import Issue
from droid_tune.data.reading.around import RawLine, lines_around
from droid_tune.data.splits import BINARY_SUFFIXES
from ui.background import Task
from ui.panes.data.issues.issues_model import IssuesModel
from ui.panes.data.issues.open_in_editor import open_at
from ui.widgets.basics import button, column, prose, row
from ui.widgets.lists.tables import data_table
from ui.widgets.texts.plain_view import Piece, PlainView

#: characters of a long line on either side of the place
AROUND = 400
#: pixels of the columns that tell the place; what is wrong has at least so many, and this share of what they leave
PLACE_WIDTHS = (170, 64, 64, 90)
SAID_WIDTH, SAID_SHARE = 420, 0.65


class IssuesView(QWidget):
    """`told` carries a sentence for the pane's notices."""

    told = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._issue: Issue | None = None
        self._reading: Task | None = None  # the newest
        split = QSplitter(Qt.Orientation.Vertical, self)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(8)
        self._model = IssuesModel(self)
        self._table = data_table(self._model, "Issues", split)
        self._table.verticalHeader().hide()
        for place, width in enumerate(PLACE_WIDTHS):
            self._table.setColumnWidth(place, width)
        self._table.selectionModel().currentRowChanged.connect(self._choose)
        self._table.clicked.connect(self._press)
        self._table.doubleClicked.connect(self._press_twice)
        for key, folded in ((Qt.Key.Key_Right, False), (Qt.Key.Key_Left, True), (Qt.Key.Key_Return, None)):
            keys = QShortcut(QKeySequence(key), self._table, partial(self._fold_current, folded))
            keys.setContext(Qt.ShortcutContext.WidgetShortcut)
        split.addWidget(self._table)
        split.addWidget(self._place(split))
        split.setSizes([300, 150])
        column(self).addWidget(split)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        room = self.width() - sum(PLACE_WIDTHS)
        self._table.setColumnWidth(len(PLACE_WIDTHS), max(SAID_WIDTH, round(SAID_SHARE * room)))

    def show_issues(self, issues: Sequence[Issue]) -> None:
        """List the findings and choose the first."""
        self._model.show(issues)
        self._issue = None
        if issues:
            self._table.selectRow(0)
        else:
            self._what.setText("Nothing is wrong with these rows.")
            self._text.show_pieces([])
            self._open.setEnabled(False)

    def _place(self, parent: QWidget) -> QWidget:
        place = QWidget(parent)
        layout = column(place, spacing=6)
        bar = row(spacing=10)
        self._what = prose("", parent=place)
        self._open = button("Open in Editor", parent=place, help="Open the file at this line in your editor")
        self._open.clicked.connect(self._open_editor)
        bar.addWidget(self._what, 1)
        bar.addWidget(self._open, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(bar)
        self._text = PlainView("The raw text around the place", place)
        layout.addWidget(self._text, 1)
        return place

    @Slot(QModelIndex)
    def _press(self, index: QModelIndex) -> None:
        if index.column() == 0:
            self._model.fold(index.row())

    @Slot(QModelIndex)
    def _press_twice(self, index: QModelIndex) -> None:
        if index.column() > 0:  # the first press on the sign folded already
            self._model.fold(index.row())

    def _fold_current(self, folded: bool | None) -> None:
        self._model.fold(self._table.currentIndex().row(), folded)

    @Slot(QModelIndex, QModelIndex)
    def _choose(self, current: QModelIndex, previous: QModelIndex) -> None:
        if not current.isValid():
            return
        if self._reading is not None:
            self._reading.drop()
        issue = self._issue = self._model.issue(current.row())
        self._what.setText(words.literal(issue.message))
        self._open.setEnabled(Path(issue.file).suffix not in BINARY_SUFFIXES)
        if issue.line is None:
            self._text.show_pieces(
                [Piece(words.literal(issue.excerpt) or "The finding is about the whole file.")]
            )
            return
        around = partial(lines_around, Path(issue.file), issue.line)
        self._reading = Task(
            around, self, done=partial(self._show_lines, issue), failed=self._say_unread
        ).start()

    def _show_lines(self, issue: Issue, lines: list[RawLine]) -> None:
        self._text.show_pieces(pieces_of(lines, issue))

    def _say_unread(self, sentence: str) -> None:
        self._text.show_pieces([Piece(words.literal(sentence), "bad")])

    @Slot()
    def _open_editor(self) -> None:
        if self._issue is not None:
            said = open_at(Path(self._issue.file), self._issue.line or 1, self._issue.column or 1)
            if said:
                self.told.emit(said)


def pieces_of(lines: Sequence[RawLine], issue: Issue) -> list[Piece]:
    """The lines with their numbers; the place of the finding stands out."""
    width = len(f"{lines[-1].number:,}") if lines else 1
    pieces: list[Piece] = []
    for line in lines:
        here = line.number == issue.line
        pieces.append(Piece(f"{line.number:>{width},}  ", "bad" if here else "tertiary", bold=here))
        pieces += _marked(line, issue.column) if here else [Piece(_start(line.text), "secondary")]
        pieces.append(Piece("\n"))
    return pieces[:-1]


def _marked(line: RawLine, place: int | None) -> list[Piece]:
    if place is None or place > len(line.text) + 1:
        return [Piece(_start(line.text))]
    at = place - 1
    begin, end = max(0, at - AROUND), at + 1 + AROUND
    text = line.text
    before = ("…" if begin else "") + words.literal(text[begin:at])
    mark = words.literal(text[at : at + 1]) or "⏎"
    after = words.literal(text[at + 1 : end]) + ("…" if end < len(text) else "")
    return [Piece(before), Piece(mark, "bad", "bad_soft", bold=True), Piece(after)]


def _start(text: str) -> str:
    return words.literal(text[: 2 * AROUND]) + ("…" if len(text) > 2 * AROUND else "")
