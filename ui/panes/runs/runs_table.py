"""The table of all runs with its search: one or several can be chosen; names, tags and notes are written in place."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QPoint, Qt, Signal, Slot
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QMenu, QTableView, QWidget

from droid_tune import words
from ui.frame.restoring import ARRANGED
from ui.panes.runs.run_progress import RunNames, progress_of
from ui.panes.runs.runs_columns import COLUMNS, PLACES, RunLine
from ui.panes.runs.runs_model import RunsModel
from ui.session import Session
from ui.widgets.basics import column, label, row
from ui.widgets.lists.search_field import SearchField
from ui.widgets.lists.tables import dress_table

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

#: pixels of a column that fits what stands in it, and of how many rows that is looked at
WIDEST, ROWS_LOOKED_AT = 260, 40


class RunsTable(QWidget):
    """`chosen_changed` tells that other runs are chosen; `opened` that one was double-clicked or Return was pressed."""

    chosen_changed = Signal()
    opened = Signal()
    trash_asked = Signal()
    written_in = Signal(str, str, str)  # a run's id, the column's key, the text

    def __init__(self, session: Session, names: RunNames, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._names = session, names
        self._fitting = True  # as long as no person can have made columns wider
        self.model = RunsModel(self)
        self.model.written_in.connect(self.written_in)
        lines = column(self, spacing=8)
        bar = row(spacing=8)
        self.search = SearchField("Search runs: name, method, model, data, tag, note", "Search runs", self)
        self.search.setProperty("remembered", True)
        self.search.textChanged.connect(self._look_for)
        self._count = label("", "small", parent=self)
        bar.addWidget(self.search, 1)
        bar.addWidget(self._count)
        lines.addLayout(bar)
        self.view = _RunsView(self)
        self.search.stepped.connect(self.step_around)
        self.search.left.connect(self.view.setFocus)
        self._dress()
        lines.addWidget(self.view, 1)

    def _dress(self) -> None:
        view = self.view
        view.setModel(self.model)
        dress_table(view, "Runs")
        view.verticalHeader().hide()
        view.setSortingEnabled(True)
        view.sortByColumn(PLACES["begun"], Qt.SortOrder.DescendingOrder)
        head = view.horizontalHeader()
        head.setSectionsMovable(True)
        head.setProperty("remembered", True)
        head.setAccessibleName("Columns of the table of runs")
        head.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        head.customContextMenuRequested.connect(self._choose_columns)
        head.sectionResized.connect(self._note_hand)
        for place, one in enumerate(COLUMNS):
            view.setColumnWidth(place, one.width)
        self._fitting = False
        view.selectionModel().selectionChanged.connect(self._tell_chosen)
        view.opened.connect(self.opened)
        view.trash_asked.connect(self.trash_asked)

    # --- what is listed -----------------------------------------------------------------------------------------

    def show_runs(self) -> None:
        """As the session knows them; what was chosen stays chosen, else the first is."""
        chosen = self._chosen_ids()
        if self.model.show([self._line(run) for run in self._session.runs]):
            self._choose_again(chosen)
            self._fit_columns()
        self._say_count()

    def show_dates(self) -> None:
        """Another day has begun: the cells say other words."""
        self.model.tell_changed()
        self._fit_columns()

    def _line(self, run: RunSummary) -> RunLine:
        step, state = progress_of(self._session, run)
        return RunLine(run, step, state, self._names.differences.get(run.id, ""))

    @Slot(str)
    def _look_for(self, text: str) -> None:
        chosen = self._chosen_ids()
        self.model.look_for(text)
        self._choose_again(chosen)
        self._say_count()

    def _say_count(self) -> None:
        shown, all_of_them = len(self.model.lines), self.model.count
        said = words.count(all_of_them, "run")
        self._count.setText(said if shown == all_of_them else f"{shown:,} of {said}")

    @Slot(int)
    def step_around(self, by: int) -> None:
        """The next run of those listed, or the one before, around the end."""
        if count := len(self.model.lines):
            place = (self.view.currentIndex().row() + by) % count
            self.choose({self.model.lines[place].run.id})

    # --- what is chosen -----------------------------------------------------------------------------------------

    def choose(self, ids: set[str]) -> None:
        """Choose these runs and no other; a search that hides all of them is taken back."""
        if self.search.text() and not any(line.run.id in ids for line in self.model.lines):
            self.search.clear()
        self._select(ids)

    def _select(self, ids: set[str]) -> None:
        selection = QItemSelection()
        for place, line in enumerate(self.model.lines):
            if line.run.id in ids:
                selection.select(self.model.index(place, 0), self.model.index(place, len(COLUMNS) - 1))
        flags = QItemSelectionModel.SelectionFlag
        self.view.selectionModel().select(selection, flags.ClearAndSelect)
        if selection.indexes():
            self.view.selectionModel().setCurrentIndex(selection.indexes()[0], flags.NoUpdate)
            self.view.scrollTo(selection.indexes()[0])

    def _choose_again(self, ids: set[str]) -> None:
        """After the table was filled anew: the same runs, else the first."""
        listed = {line.run.id for line in self.model.lines}
        first = {line.run.id for line in self.model.lines[:1]}
        self._select(ids & listed or first)
        if not listed:
            self.chosen_changed.emit()

    def _chosen_ids(self) -> set[str]:
        return {run.id for run in self.chosen()}

    def chosen(self) -> list[RunSummary]:
        """The runs that are chosen, in the table's order."""
        places = sorted(index.row() for index in self.view.selectionModel().selectedRows())
        return [self.model.lines[place].run for place in places if place < len(self.model.lines)]

    def single(self) -> RunSummary | None:
        """The run that is chosen alone."""
        chosen = self.chosen()
        return chosen[0] if len(chosen) == 1 else None

    def edit(self, key: str) -> None:
        """Let the chosen run's cell of this column be written in."""
        rows = self.view.selectionModel().selectedRows()
        if rows:
            self.view.setColumnHidden(PLACES[key], False)
            place = self.model.index(rows[0].row(), PLACES[key])
            self.view.setCurrentIndex(place)
            self.view.edit(place)

    @Slot()
    def _tell_chosen(self) -> None:
        self.chosen_changed.emit()

    # --- columns ------------------------------------------------------------------------------------------------

    def _fit_columns(self) -> None:
        """Wide enough for what stands in them, until a person makes them otherwise."""
        head = self.view.horizontalHeader()
        if head.property(ARRANGED):
            return
        self._fitting = True
        for place, one in enumerate(COLUMNS):
            wanted = max(self._widest_cell(place), head.sectionSizeHint(place))
            self.view.setColumnWidth(place, max(one.width, min(wanted, WIDEST)))
        self._fitting = False

    def _widest_cell(self, place: int) -> int:
        """Pixels for the widest text of the first rows. Qt's own answer lays out each cell, which takes 70 ms in all."""
        texts = [COLUMNS[place].text(line) for line in self.model.lines[:ROWS_LOOKED_AT]]
        measured = [self.view.fontMetrics().horizontalAdvance(text) for text in texts]
        if not measured:
            return 0
        widest = measured.index(max(measured))
        line = 1  # between two columns
        return self.view.sizeHintForIndex(self.model.index(widest, place)).width() + line

    @Slot(int)
    def _note_hand(self, place: int) -> None:
        """The last column takes what the others leave, whenever the window is resized."""
        head = self.view.horizontalHeader()
        if not self._fitting and head.visualIndex(place) < head.count() - 1:
            head.setProperty(ARRANGED, True)

    @Slot(QPoint)
    def _choose_columns(self, where: QPoint) -> None:
        menu = self.columns_menu()
        menu.popup(self.view.horizontalHeader().mapToGlobal(where))

    def columns_menu(self) -> QMenu:
        """Which columns are seen; the name always is."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for place, one in enumerate(COLUMNS[1:], start=1):
            action = QAction(one.title, menu)
            action.setCheckable(True)
            action.setChecked(not self.view.isColumnHidden(place))
            action.toggled.connect(partial(self._show_column, place))
            menu.addAction(action)
        return menu

    def _show_column(self, place: int, shown: bool) -> None:
        self.view.setColumnHidden(place, not shown)


class _RunsView(QTableView):
    """Return opens, F2 writes, Delete asks for the Trash."""

    opened = Signal()
    trash_asked = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        self.doubleClicked.connect(self._open_cell)

    @Slot(QModelIndex)
    def _open_cell(self, index: QModelIndex) -> None:
        if not index.flags() & Qt.ItemFlag.ItemIsEditable:
            self.opened.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        editing = self.state() == QAbstractItemView.State.EditingState
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and not editing:
            self.trash_asked.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not editing:
            self.opened.emit()
        else:
            super().keyPressEvent(event)
