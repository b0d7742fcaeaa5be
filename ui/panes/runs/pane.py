"""All runs: what became of each, go on with it, compare curves, take the result along, throw it away."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QFile, QItemSelection, QItemSelectionModel, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFormLayout,
    QLineEdit,
    QListView,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from droid_tune import words
from droid_tune.config.methods import METHOD_CONFIGS
from droid_tune.errors import UserError
from droid_tune.metrics import describe
from droid_tune.names import LAST
from droid_tune.paths import starter_model_dir
from droid_tune.runs.differences import differences
from droid_tune.runs.series import Series
from droid_tune.runs.state import RunState
from ui.background import Task
from ui.panes.base import FillingPane
from ui.panes.runs.export_sheet import ExportSheet
from ui.panes.runs.further_steps import FurtherSteps
from ui.panes.runs.queue_list import QueueList
from ui.panes.runs.report_window import ReportWindow
from ui.session import Session
from ui.widgets.basics import button, column, label, row, scrolling, selectable
from ui.widgets.chart import Chart, ChartSpec, Line
from ui.widgets.checkpoint_picker import CheckpointPicker
from ui.widgets.notice import NoticeBar, NoticeStack
from ui.widgets.quiet_combo import QuietCombo
from ui.widgets.simple_list import Entry, EntryList
from ui.widgets.state_chip import StateChip
from ui.widgets.two_lines import TwoLineDelegate
from ui.work.run_reading import read_run

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

#: what runs are compared by, best first
COMPARED = (
    "reward",
    "eval/accuracy",
    "loss",
    "eval/loss",
    "kl/k1",
    "entropy",
    "completions/mean_length",
    "grad_norm",
)
DOTS = {
    "running": "accent",
    "completed": "good",
    "failed": "bad",
    "interrupted": "warning",
    "stopped": "tertiary",
    "created": "tertiary",
}
MOST_COMPARED = 8
READ_AGAIN = "Read Again"

#: a run as it was at one time: its id, and when its files last changed
Stand = tuple[str, float]


class RunsPane(FillingPane):
    """A list on the left; on the right one run, or the curves of several."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            session,
            parent,
            "runs",
            "No runs yet",
            "Every run is kept here with its settings, curves and result. You can stop a run, go on with it "
            "tomorrow, and compare it with others.",
        )
        self._states: dict[Stand, RunState] = {}
        self._asked: set[Stand] = set()
        self._unread: set[Stand] = set()  # of those asked: what could not be read
        page = QWidget(self)
        self.add_content(page)
        layout = column(page, spacing=10)
        layout.setContentsMargins(20, 16, 20, 16)
        self._notices = NoticeStack(page, most=2)
        layout.addWidget(self._notices)
        split = QSplitter(page)
        split.setHandleWidth(12)
        split.setChildrenCollapsible(False)
        layout.addWidget(split, 1)
        self._entries = EntryList(self)
        side = QWidget(split)
        below = column(side, spacing=10)
        self._list = QListView(side)
        self._list.setProperty("role", "list")
        self._list.setAccessibleName("Runs")
        self._list.setModel(self._entries)
        self._list.setItemDelegate(TwoLineDelegate(self._list))
        self._list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._list.setMouseTracking(True)
        self._list.setMinimumWidth(200)
        self._list.selectionModel().selectionChanged.connect(self._selected)
        below.addWidget(self._list, 1)
        self._queue = QueueList(session, side)
        self._queue.opened.connect(self._show_queued)
        self._queue.report_asked.connect(self._report_night)
        below.addWidget(self._queue)
        split.addWidget(side)
        detail = QWidget(split)
        self._detail(detail)
        split.addWidget(scrolling(detail, split))
        split.setStretchFactor(1, 1)
        split.setSizes([260, 640])
        self._differences: dict[str, str] = {}
        session.runs_changed.connect(self._name_runs)
        session.runs_changed.connect(self._show_runs)
        session.queue.changed.connect(self._show_runs)
        session.life_changed.connect(self._show_detail)
        self._name_runs()
        self._show_runs()

    def refresh(self) -> None:
        """The list is read on showing; a live run's step moves with the beat."""
        live = self.session.live
        if self.session.training and live is not None and self.session.live_folder is not None:
            self._show_runs()

    # --- parts --------------------------------------------------------------------------------------------------

    def _detail(self, parent: QWidget) -> None:
        layout = column(parent, spacing=12)
        layout.setContentsMargins(0, 2, 6, 0)
        top = row(spacing=10)
        self._title = label("", "title", parent=parent)
        self._rename_field = QLineEdit(parent)
        self._rename_field.setAccessibleName("Name of the run")
        self._rename_field.hide()
        self._rename_field.returnPressed.connect(self._rename)
        self._chip = StateChip(parent)
        top.addWidget(self._title)
        top.addWidget(self._rename_field, 1)
        top.addWidget(self._chip)
        top.addStretch(1)
        layout.addLayout(top)
        self._why = label("", "small", parent=parent, wrap=True)
        layout.addWidget(self._why)
        layout.addLayout(self._action_row(parent))
        self._further = FurtherSteps(parent)
        self._further.chosen.connect(self._train_further)
        layout.addWidget(self._further)
        self._facts_of(parent)
        layout.addWidget(self._facts)
        compare = row(spacing=8)
        self._compare_title = label("Curve", "heading", parent=parent)
        self._metric = QuietCombo(parent)
        self._metric.setAccessibleName("Metric to compare")
        for name in COMPARED:
            self._metric.addItem(describe(name).label, name)
        self._metric.activated.connect(self._compare_other)
        compare.addWidget(self._compare_title)
        compare.addStretch(1)
        compare.addWidget(self._metric)
        layout.addLayout(compare)
        self._chart = Chart(ChartSpec("Reward", (Line("reward", "Reward"),)), parent)
        self._chart.setMinimumHeight(280)
        layout.addWidget(self._chart, 1)
        hint = "Select several runs in the list (⌘-click or Shift-click) to see their curves together."
        layout.addWidget(label(hint, "small", parent=parent, wrap=True))

    def _action_row(self, parent: QWidget) -> QVBoxLayout:
        """What goes on with the run above, what is done with its files below: both fit beside the list at 1024 pixels."""
        rows = column(spacing=8)
        bars = row(spacing=8), row(spacing=8)
        self._actions: dict[str, QPushButton] = {}
        wanted = (
            ("resume", "Resume", "primary", "resume", self._resume),
            ("further", "Train Further…", "", "train", self._ask_further),
            ("open", "Open", "", "monitor", self._open),
            ("try", "Try It", "", "playground", self._try),
            ("export", "Export…", "compact", "export", self._export),
            ("folder", "Show Folder", "compact", "folder", self._show_folder),
            ("report", "Report", "compact", "report", self._report),
            ("copy", "Copy Command", "compact", "copy", self._copy),
            ("rename", "Rename", "compact", "rename", self._begin_rename),
            ("trash", "Move to Trash", "compact-danger", "trash", self._ask_trash),
        )
        compact = {"export", "folder", "report", "copy", "rename", "trash"}
        for key, text, role, icon, slot in wanted:
            made = button("" if key in compact else text, role, parent=parent, icon=icon, help=text)
            made.clicked.connect(slot)
            self._actions[key] = made
            bars[key in compact].addWidget(made)
        for bar in bars:
            bar.addStretch(1)
            rows.addLayout(bar)
        return rows

    def _facts_of(self, parent: QWidget) -> None:
        self._facts = QWidget(parent)
        form = QFormLayout(self._facts)
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(5)
        self._fact_labels = {}
        for name in (
            "Method",
            "Differs in",
            "Model",
            "Data",
            "Progress",
            "Begun",
            "Newest values",
            "Best",
            "Folder",
        ):
            value = selectable(label("", parent=self._facts, wrap=True))
            self._fact_labels[name] = value
            form.addRow(label(name, "secondary", parent=self._facts), value)
        self._checkpoint = CheckpointPicker(self._facts)
        self._checkpoint.activated.connect(self._show_detail)
        self._checkpoint_row = form.rowCount()
        form.addRow(label("Go on from", "secondary", parent=self._facts), self._checkpoint)
        self._facts_form = form

    # --- drawing ------------------------------------------------------------------------------------------------

    @Slot()
    def _show_runs(self) -> None:
        runs = self.session.runs
        self.show_content(bool(runs or self.session.queue.runs))
        chosen = {run.id for run in self._chosen()}
        changed = self._entries.show([self._entry(run) for run in runs])
        if changed:
            self._select(chosen or {run.id for run in runs[:1]})
        self._show_detail()

    @Slot()
    def _name_runs(self) -> None:
        self._differences = differences(self.session.runs)

    def _name_of(self, run: RunSummary) -> str:
        """The run's name, with what makes the difference where others are called the same."""
        return words.literal(" · ".join(filter(None, (run.name, self._differences.get(run.id)))))

    def _entry(self, run: RunSummary) -> Entry:
        step, state = self._progress(run)
        method = METHOD_CONFIGS[run.method].label if run.method in METHOD_CONFIGS else run.method
        when = words.when(run.created)
        what = words.literal(self._differences.get(run.id) or method)
        detail = what if when in what else f"{what} · {when}"
        trailing = f"{step:,} / {run.total_steps:,}"
        return Entry(
            run.id, words.literal(run.name), detail, dot=DOTS.get(state, "tertiary"), trailing=trailing
        )

    def _progress(self, run: RunSummary) -> tuple[int, str]:
        """Step and state, the live run's from memory."""
        live = self.session.live
        if self.session.training and live is not None and run.folder == self.session.live_folder:
            return live.step, live.life if live.life != "paused" else "running"
        return run.step, run.state

    def _select(self, ids: set[str]) -> None:
        selection = QItemSelection()
        for key in ids:
            place = self._entries.place_of(key)
            if place.isValid():
                selection.select(place, place)
        self._list.selectionModel().select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def _chosen(self) -> list[RunSummary]:
        keys = [entry.key for index in self._list.selectedIndexes() if (entry := self._entries.entry(index))]
        return [run for run in self.session.runs if run.id in keys]

    @Slot()
    def _show_detail(self) -> None:
        chosen = self._chosen()
        single = chosen[0] if len(chosen) == 1 else None
        self._facts.setVisible(single is not None)
        for made in self._actions.values():
            made.setVisible(single is not None)
        self._chip.setVisible(single is not None)
        self._why.setVisible(False)
        self._compare_title.setText("Curve" if single else "Curves together")
        if single is not None:
            self._show_single(single)
        else:
            self._title.setText(words.count(len(chosen), "run") if chosen else "Choose a run")
        self._draw_curves(chosen)

    def _show_single(self, run: RunSummary) -> None:
        step, state = self._progress(run)
        self._title.setText(words.literal(run.name))
        self._chip.show_life(state)
        self._why.setText(run.why if state in ("failed", "stopped", "interrupted") else "")
        self._why.setVisible(bool(self._why.text()))
        method = METHOD_CONFIGS[run.method].label if run.method in METHOD_CONFIGS else run.method
        told = self._differences.get(run.id, "")
        values = {
            "Method": method,
            "Differs in": "–" if told in ("", words.when(run.created)) else words.literal(told),
            "Model": words.literal(run.model),
            "Data": words.literal(run.data),
            "Progress": f"step {step:,} of {run.total_steps:,}",
            "Begun": words.when(run.created),
            "Newest values": ", ".join(
                f"{describe(name).label} {words.metric(name, value)}"
                for name, value in (run.metrics or {}).items()
            )
            or "–",
            "Best": "–" if run.best is None else words.capitalised(str(run.best)),
            "Folder": str(run.folder),
        }
        for name, value in values.items():
            self._fact_labels[name].setText(value)
        busy = self.session.training
        self._checkpoint.show_run(run)
        self._facts_form.setRowVisible(self._checkpoint_row, self._checkpoint.count() > 1)
        goes_back = self._checkpoint.choice != LAST
        self._actions["resume"].setVisible((run.resumable or goes_back) and state != "running")
        self._actions["resume"].setEnabled(not busy)
        self._actions["further"].setVisible(state == "completed")
        self._actions["further"].setEnabled(not busy)
        self._actions["try"].setEnabled(not busy and state != "running")
        self._actions["export"].setEnabled(not busy and bool(run.saved_step or state == "completed"))
        self._actions["copy"].setEnabled((run.folder / "adapters.safetensors").exists())
        self._actions["trash"].setEnabled(state != "running")
        self._actions["rename"].setEnabled(state != "running")

    def _draw_curves(self, chosen: list[RunSummary]) -> None:
        metric = str(self._metric.currentData())
        shown = chosen[:MOST_COMPARED]
        series: dict[str, Series] = {}
        for run in shown:
            state = self._state_of(run)
            if state is not None and metric in state.series:
                series[run.id] = state.series[metric]
        points = metric.startswith("eval/")
        names = [self._name_of(run) for run in shown]
        lines = tuple(
            Line(metric, name, points=points, key=run.id) for run, name in zip(shown, names, strict=True)
        )
        known = describe(metric)
        if lines != self._chart.spec.lines and lines:
            self._chart.spec = ChartSpec(known.label, lines, known.help, "No values of this metric")
            self._chart.set_lines(lines)
        self._chart.show_title(known.label)
        self._chart.show_series(series, self.session.settings.smoothing)

    def _state_of(self, run: RunSummary) -> RunState | None:
        """The run's state, read in the background the first time; one that could not be read waits for `_read_again`."""
        if run.folder == self.session.live_folder and self.session.live is not None:
            return self.session.live
        stand = (run.id, run.updated)
        if stand not in self._asked:
            self._asked.add(stand)
            done, failed = partial(self._keep_state, stand), partial(self._say_unread, run, stand)
            Task(partial(read_run, run.folder), self, done=done, failed=failed).start()
        return self._states.get(stand)

    def _keep_state(self, stand: Stand, state: RunState) -> None:
        self._states[stand] = state
        self._draw_curves(self._chosen())

    def _say_unread(self, run: RunSummary, stand: Stand, sentence: str) -> None:
        self._unread.add(stand)
        bar = self._notices.add(
            "error",
            f"The curves of “{words.literal(run.name)}” could not be read.",
            words.literal(sentence),
            actions=(READ_AGAIN,),
        )
        bar.chosen.connect(partial(self._read_again, bar))

    def _read_again(self, bar: NoticeBar, action: str) -> None:
        bar.dismiss()
        self._asked -= self._unread
        self._unread.clear()
        self._draw_curves(self._chosen())

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot()
    def _selected(self) -> None:
        self._asked -= self._unread  # tried again when someone looks again
        self._unread.clear()
        self._end_rename()
        self._further.hide()
        self._show_detail()

    @Slot(int)
    def _compare_other(self, place: int) -> None:
        self._draw_curves(self._chosen())

    @Slot()
    def _resume(self) -> None:
        self._go_on(None)

    @Slot()
    def _ask_further(self) -> None:
        run = self._single()
        if run is not None:
            self._further.ask(run.total_steps)

    @Slot(int)
    def _train_further(self, steps: int) -> None:
        self._go_on(steps)

    def _go_on(self, further_steps: int | None) -> None:
        run = self._single()
        if run is None:
            return
        try:
            self.session.resume(run.folder, further_steps, self._checkpoint.choice)
        except UserError as error:
            self._notices.add("error", str(error))
            return
        self.ask("monitor")

    @Slot(Path)
    def _show_queued(self, folder: Path) -> None:
        """A run of the queue that has begun, among the runs."""
        self._select({folder.name})

    @Slot()
    def _report(self) -> None:
        run = self._single()
        if run is not None:
            ReportWindow(self.session, f"Report: {words.literal(run.name)}", [run.folder], self).show()

    @Slot(list)
    def _report_night(self, folders: list[Path]) -> None:
        """The morning report: one page for all runs of the queue that have begun."""
        ReportWindow(self.session, "Report of the night", folders, self).show()

    @Slot()
    def _open(self) -> None:
        run = self._single()
        if run is not None:
            self.session.show_run(run.folder)
            self.ask("monitor")

    @Slot()
    def _try(self) -> None:
        run = self._single()
        if run is not None:
            self.ask("playground", run.folder)

    @Slot()
    def _export(self) -> None:
        run = self._single()
        if run is not None:
            ExportSheet(self.session, run, self).open()

    @Slot()
    def _show_folder(self) -> None:
        run = self._single()
        if run is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(run.folder)))

    @Slot()
    def _copy(self) -> None:
        run = self._single()
        if run is not None:
            QGuiApplication.clipboard().setText(generate_command(run.model, run.folder))
            self._notices.add(
                "good",
                "The command is on the clipboard.",
                "It samples from the result with mlx-lm, in a terminal.",
            )

    @Slot()
    def _begin_rename(self) -> None:
        run = self._single()
        if run is not None:
            self._rename_field.setText(run.name)
            self._rename_field.show()
            self._title.hide()
            self._rename_field.setFocus()
            self._rename_field.selectAll()

    def _end_rename(self) -> None:
        self._rename_field.hide()
        self._title.show()

    @Slot()
    def _rename(self) -> None:
        run = self._single()
        self._end_rename()
        if run is not None:
            try:
                self.session.rename_run(run.folder, self._rename_field.text().strip())
            except UserError as error:
                self._notices.add("error", str(error))

    @Slot()
    def _ask_trash(self) -> None:
        run = self._single()
        if run is not None:
            asked = self._notices.add(
                "warning",
                f"Move “{words.literal(run.name)}” to the Trash?",
                "Its checkpoints and result go with it.",
                actions=("Move to Trash",),
            )
            asked.chosen.connect(partial(self._trash, run.folder))

    def _trash(self, folder: Path, action: str) -> None:
        self._notices.clear()
        if self.session.training and folder == self.session.live_folder:
            self._notices.add("error", "This run is training; stop it before it goes to the Trash.")
            return
        if move_to_trash(folder):
            self.session.forget_run(folder)
        else:
            self._notices.add(
                "error", f"{words.literal(str(folder))} could not be moved to the Trash; move it by hand."
            )
        self.session.refresh_runs()

    def _single(self) -> RunSummary | None:
        chosen = self._chosen()
        return chosen[0] if len(chosen) == 1 else None


def move_to_trash(folder: Path) -> bool:
    """Whether the system took it. By an object: what the static function returns differs between versions of PySide6."""
    return QFile(str(folder)).moveToTrash()


def generate_command(model: str, folder: Path) -> str:
    """Sample from the result with mlx-lm's own command."""
    path = str(starter_model_dir()) if model == "starter" else model
    parts = ["mlx_lm.generate", "--model", path, "--adapter-path", str(folder), "--prompt", "..."]
    return shlex.join(parts)
