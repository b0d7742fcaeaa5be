"""The completions of a whole run: searched, filtered, sorted, stepped through with J and K, and taken out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QModelIndex, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFileDialog,
    QLineEdit,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from droid_tune import words
from droid_tune.events import RolloutGroup, TokenTrace
from droid_tune.runs.completions.asking import CompletionLine, Wanted, group_at, lines_of, trace_of
from droid_tune.runs.completions.completion_index import CompletionIndex
from droid_tune.runs.completions.taking_out import export
from ui.background import Task
from ui.panes.rollouts.completion_desk import CompletionDesk
from ui.panes.rollouts.completion_detail import CompletionDetail
from ui.panes.rollouts.completions_model import CompletionsModel
from ui.panes.rollouts.completions_table import CompletionsTable
from ui.widgets.basics import button, column, label, row, scrolling
from ui.widgets.charting.step_cursor import StepCursor
from ui.widgets.lists.search_field import SearchField
from ui.widgets.quiet_combo import QuietCombo
from ui.widgets.segmented import Segmented

KINDS = (("all", "All"), ("right", "Right"), ("wrong", "Wrong"), ("cut", "Cut off"), ("held_out", "Held-out"))
#: milliseconds without a key after which a search begins
PATIENCE_MS = 200
#: a completion whole, its group, and its tokens where they were recorded
Chosen = tuple[CompletionLine | None, RolloutGroup | None, TokenTrace | None]


class CompletionsView(QWidget):
    """Filters on top, the table on the left, the chosen completion on the right."""

    prompt_wanted = Signal(int)
    playground_wanted = Signal(str)
    told = Signal(str, str)  # level, sentence

    def __init__(self, desk: CompletionDesk, cursor: StepCursor, parent: QWidget) -> None:
        super().__init__(parent)
        self._desk, self._cursor = desk, cursor
        self._sort, self._descending = "", False
        self._looking: Task | None = None
        layout = column(self, spacing=10)
        layout.addLayout(self._filters())
        layout.addWidget(self._body(), 1)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(PATIENCE_MS)
        self._soon.timeout.connect(self.ask)
        self._search.textChanged.connect(self._ask_soon)
        self._search.left.connect(self.table.setFocus)
        for field in (self._least, self._most):
            field.textChanged.connect(self._ask_soon)
        self._kind.chosen.connect(self._ask_soon)
        self._bound.currentIndexChanged.connect(self._ask_soon)
        desk.grown.connect(self._grew)
        desk.found.connect(self._found)
        cursor.range_chosen.connect(self._range_chosen)
        cursor.chosen.connect(self._range_chosen)

    # --- parts --------------------------------------------------------------------------------------------------

    def _filters(self) -> QVBoxLayout:
        box = column(spacing=8)
        first, second = row(spacing=8), row(spacing=8)
        said = "Search completions and prompts"
        self._search = SearchField(said, said, self)
        self._search.stepped.connect(self.step_around)
        self._kind = Segmented(KINDS, self, "Show")
        self._bound = QuietCombo(self)
        self._bound.setAccessibleName("Bounded by")
        self._least, self._most = (self._number(name) for name in ("at least", "at most"))
        self._range = button("", "quiet", parent=self, help="All steps again")
        self._range.clicked.connect(self._drop_range)
        self._range.hide()
        self._count = label("", "small", parent=self)
        self._export = button(
            "Export…", parent=self, help="Write the selection, or all that was found, as JSONL"
        )
        self._export.clicked.connect(self._choose_export)
        first.addWidget(self._search, 1)
        first.addWidget(self._kind)
        for part in (self._bound, self._least, self._most, self._range):
            second.addWidget(part)
        second.addStretch(1)
        second.addWidget(self._count)
        second.addWidget(self._export)
        box.addLayout(first)
        box.addLayout(second)
        self._offer_bounds()
        return box

    def _number(self, name: str) -> QLineEdit:
        made = QLineEdit(self)
        made.setPlaceholderText(name)
        made.setAccessibleName(f"Bound: {name}")
        made.setMaximumWidth(84)
        return made

    def _body(self) -> QSplitter:
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.setHandleWidth(12)
        split.setChildrenCollapsible(False)
        self.model = CompletionsModel(self._desk, self)
        self.table = CompletionsTable(self.model, split)
        self.table.horizontalHeader().sectionClicked.connect(self._sort_by)
        self.table.selectionModel().currentRowChanged.connect(self._chosen)
        self.detail = CompletionDetail(split)
        self.detail.playground_wanted.connect(self.playground_wanted)
        self.detail.prompt_wanted.connect(self.prompt_wanted)
        split.addWidget(self.table)
        split.addWidget(scrolling(self.detail, split))
        split.setSizes([560, 420])
        for key, step in (("J", 1), ("K", -1)):
            QShortcut(QKeySequence(key), self.table, partial(self.step, step))
        QShortcut(QKeySequence.StandardKey.Copy, self.table, self.detail.copy)
        return split

    def _offer_bounds(self) -> None:
        names = [
            ("Reward", "reward"),
            ("Tokens", "length"),
            ("Advantage", "advantage"),
            ("Step", "step"),
            ("Row", "row"),
        ]
        names += [(name.capitalize(), name) for name in self._desk.parts]
        if [self._bound.itemData(place) for place in range(self._bound.count())] == [key for _, key in names]:
            return
        kept = self._bound.currentData()
        self._bound.blockSignals(True)
        self._bound.clear()
        for title, key in names:
            self._bound.addItem(title, key)
        self._bound.setCurrentIndex(max(0, self._bound.findData(kept)))
        self._bound.blockSignals(False)

    # --- asking -------------------------------------------------------------------------------------------------

    def wanted(self) -> Wanted:
        """What the filters say."""
        kind = self._kind.key
        wanted = Wanted(
            text=self._search.text().strip(),
            held_out=kind == "held_out",
            sort=self._sort,
            descending=self._descending,
        )
        flags = {"right": ("right", 1), "wrong": ("right", 0), "cut": ("cut", 1)}
        if kind in flags:
            name, value = flags[kind]
            wanted = wanted.between(name, value, value)
        if (ends := self.steps) is not None:
            wanted = wanted.between("step", *ends)
        bounds = (_float(self._least.text()), _float(self._most.text()))
        name = str(self._bound.currentData())
        if name == "row":  # people count rows from 1
            bounds = tuple(None if end is None else end - 1 for end in bounds)
        return wanted if bounds == (None, None) else wanted.between(name, *bounds)

    @property
    def steps(self) -> tuple[int, int] | None:
        """The step or range of steps that the charts are turned to."""
        step = self._cursor.step
        return self._cursor.range or (None if step is None else (step, step))

    @Slot()
    def ask(self) -> None:
        """Look for what the filters say."""
        self._soon.stop()
        self._desk.ask(self.wanted())

    @Slot()
    def _ask_soon(self) -> None:
        self._soon.start()

    @Slot()
    def _grew(self) -> None:
        self._offer_bounds()
        if self.isVisible():
            self.ask()

    @Slot(object, object)
    def _found(self, wanted: Wanted, ids: list[int]) -> None:
        if wanted != self.wanted():
            return
        kept = self.model.line(self.table.currentIndex().row())
        self.model.show(ids)
        self._export.setEnabled(bool(ids))
        place = ids.index(kept.id) if kept is not None and kept.id in ids else 0
        if ids:
            self.table.selectRow(place)
            self.table.scrollTo(self.model.index(place, 0))
        else:
            self.detail.show_completion(None, None)
        self._say_count()

    def _say_count(self) -> None:
        """How many were found; while a text is looked for, also which of them is shown."""
        place, said = self.table.currentIndex().row(), words.count(self.model.rowCount(), "completion")
        self._count.setText(
            f"{place + 1:,} of {said}" if place >= 0 and self._search.text().strip() else said
        )

    @Slot(int)
    def _sort_by(self, section: int) -> None:
        name = self.model.columns[section][0]
        if not name:
            return
        self._descending = not self._descending if name == self._sort else name != "step"
        self._sort = name
        order = Qt.SortOrder.DescendingOrder if self._descending else Qt.SortOrder.AscendingOrder
        self.table.horizontalHeader().setSortIndicator(section, order)
        self.ask()

    @Slot(object)
    def _range_chosen(self, _: Any) -> None:
        ends = self.steps
        self._range.setVisible(ends is not None)
        if ends is not None:
            one = f"Step {ends[0]:,}" if ends[0] == ends[1] else f"Steps {ends[0]:,} to {ends[1]:,}"
            self._range.setText(f"{one}  ✕")
        if self.isVisible():
            self.ask()

    @Slot()
    def _drop_range(self) -> None:
        self._cursor.forget()

    # --- looking and taking -------------------------------------------------------------------------------------

    def step(self, by: int) -> None:
        """The next completion, or the one before."""
        row = self.table.currentIndex().row() + by
        if 0 <= row < self.model.rowCount():
            self.table.selectRow(row)

    @Slot(int)
    def step_around(self, by: int) -> None:
        """The next completion of those found, or the one before, around the end."""
        if count := self.model.rowCount():
            self.table.selectRow((self.table.currentIndex().row() + by) % count)

    @Slot(QModelIndex, QModelIndex)
    def _chosen(self, current: QModelIndex, previous: QModelIndex) -> None:
        """The newest choice is shown, once its group, which may have megabytes, was read."""
        if self._looking is not None:
            self._looking.drop()
            self._looking = None
        self._say_count()
        line = self.model.line(current.row())
        if line is None or self._desk.rollouts is None:
            self.detail.show_completion(None, None)
            return
        work = partial(looked_up, self._desk.rollouts, line.id)
        done = partial(self._looked_up, self._search.text().strip())
        failed = partial(self.told.emit, "error")
        self._looking = Task(work, self, done=done, failed=failed).start()

    def _looked_up(self, sought: str, found: Chosen) -> None:
        self._looking = None
        self.detail.show_completion(*found, sought)

    def selected_ids(self) -> list[int]:
        """The marked completions, or all that were found where only one is."""
        rows = sorted(index.row() for index in self.table.selectionModel().selectedRows())
        return [self.model.ids[place] for place in rows] if len(rows) > 1 else list(self.model.ids)

    @Slot()
    def _choose_export(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Export Completions", "completions.jsonl", "JSON Lines (*.jsonl)"
        )
        if name:
            self.export_to(Path(name))

    def export_to(self, out: Path) -> None:
        """Write the selection there, in the background; `told` says how many."""
        if self._desk.rollouts is not None:
            work = partial(exported, self._desk.rollouts, self.selected_ids(), out)
            Task(
                work, self, done=partial(self._exported, out), failed=partial(self.told.emit, "error")
            ).start()

    def _exported(self, out: Path, count: int) -> None:
        self.told.emit("info", f"{words.count(count, 'completion')} written to {out}.")


def looked_up(rollouts: Path, number: int) -> Chosen:
    """All that is known of one completion by its id; None for what is gone."""
    with CompletionIndex(rollouts) as index:
        line = next(iter(lines_of(index, [number])), None)
        if line is None:
            return None, None, None
        return line, group_at(rollouts, line.offset), trace_of(index, line)


def exported(rollouts: Path, ids: list[int], out: Path) -> int:
    """Write completions of a run as JSONL; returns how many."""
    with CompletionIndex(rollouts) as index:
        return export(index, ids, out)


def _float(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None
