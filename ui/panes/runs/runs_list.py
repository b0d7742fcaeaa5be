"""The list of all runs: one or several can be chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelection, QItemSelectionModel, Signal
from PySide6.QtWidgets import QAbstractItemView, QListView, QWidget

from droid_tune import words
from ui.panes.runs.run_progress import RunNames, method_label, progress_of
from ui.session import Session
from ui.widgets.simple_list import Entry, EntryList
from ui.widgets.two_lines import TwoLineDelegate

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

DOTS = {
    "running": "accent",
    "completed": "good",
    "failed": "bad",
    "interrupted": "warning",
    "stopped": "tertiary",
    "created": "tertiary",
}


class RunsList(QListView):
    """`chosen_changed` tells that other runs are chosen, by hand or by `choose`."""

    chosen_changed = Signal()

    def __init__(self, session: Session, names: RunNames, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._names = session, names
        self._entries = EntryList(self)
        self.setProperty("role", "list")
        self.setAccessibleName("Runs")
        self.setModel(self._entries)
        self.setItemDelegate(TwoLineDelegate(self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setMouseTracking(True)
        self.setMinimumWidth(200)
        self.selectionModel().selectionChanged.connect(self.chosen_changed)

    def show_runs(self) -> None:
        """As the session knows them; what was chosen stays chosen, else the first is."""
        runs = self._session.runs
        chosen = {run.id for run in self.chosen()}
        if self._entries.show([self._entry(run) for run in runs]):
            self.choose(chosen or {run.id for run in runs[:1]})

    def choose(self, ids: set[str]) -> None:
        """Choose these runs and no other."""
        selection = QItemSelection()
        for key in ids:
            place = self._entries.place_of(key)
            if place.isValid():
                selection.select(place, place)
        self.selectionModel().select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def chosen(self) -> list[RunSummary]:
        """The runs that are chosen, in the list's order."""
        keys = [entry.key for index in self.selectedIndexes() if (entry := self._entries.entry(index))]
        return [run for run in self._session.runs if run.id in keys]

    def single(self) -> RunSummary | None:
        """The run that is chosen alone."""
        chosen = self.chosen()
        return chosen[0] if len(chosen) == 1 else None

    def _entry(self, run: RunSummary) -> Entry:
        step, state = progress_of(self._session, run)
        when = words.when(run.created)
        what = words.literal(self._names.differences.get(run.id) or method_label(run))
        detail = what if when in what else f"{what} · {when}"
        trailing = f"{step:,} / {run.total_steps:,}"
        dot = DOTS.get(state, "tertiary")
        return Entry(run.id, words.literal(run.name), detail, dot=dot, trailing=trailing)
