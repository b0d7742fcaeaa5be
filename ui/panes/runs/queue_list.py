"""The runs that wait: in their order, moved, held back, taken out; and the queue as a whole, started and paused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent, QShortcut, QShowEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QHBoxLayout, QListView, QPushButton, QWidget

from droid_tune import words
from droid_tune.errors import UserError
from ui.session import Session
from ui.widgets.basics import button, column, label, row
from ui.widgets.lists.simple_list import Entry, EntryList
from ui.widgets.lists.two_lines import TwoLineDelegate
from ui.widgets.state_chip import life_words

if TYPE_CHECKING:
    from droid_tune.queue.queued_run import QueuedRun

DOTS = {
    "running": "accent",
    "interrupted": "warning",
    "waiting": "secondary",
    "held": "warning",
    "completed": "good",
    "failed": "bad",
}
#: how often the list looks whether a terminal changed the queue, while it is seen
LOOK_EVERY_MS = 2000
#: rows that are seen without scrolling
SEEN_ROWS = 4
#: pixels
WIDTH = 260


class QueueList(QFrame):
    """Hidden while nothing is in the queue.

    `opened` tells the folder of a run that is to be shown, `report_asked` those of the runs that have begun.
    """

    opened = Signal(Path)
    report_asked = Signal(list)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.setFixedWidth(WIDTH)
        self._session, self._desk = session, session.queue
        lines = column(self, spacing=6)
        lines.setContentsMargins(10, 8, 10, 8)
        lines.addLayout(self._head())
        self._state = label("", "small", parent=self, wrap=True)
        lines.addWidget(self._state)
        self._make_list()
        lines.addWidget(self._list)
        lines.addLayout(self._action_bar())
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_EVERY_MS)
        self._timer.timeout.connect(self._desk.read)
        self._desk.changed.connect(self.show_queue)
        session.life_changed.connect(self.show_queue)
        self.show_queue()
        self._desk.read()

    # --- parts --------------------------------------------------------------------------------------------------

    def _head(self) -> QHBoxLayout:
        head = row(spacing=6)
        head.addWidget(label("Queue", "heading", parent=self))
        head.addStretch(1)
        self._start = button(
            "Start", parent=self, icon="train", help="Train what waits, one run after another"
        )
        self._start.clicked.connect(self._begin)
        self._pause = button("Pause", parent=self, icon="pause", help="Save and stop; begin no other run")
        self._pause.clicked.connect(self._session.pause_queue)
        head.addWidget(self._start)
        head.addWidget(self._pause)
        return head

    def _make_list(self) -> None:
        self._entries = EntryList(self)
        self._list = QListView(self)
        self._list.setProperty("role", "list")
        self._list.setAccessibleName("Queue")
        self._list.setModel(self._entries)
        self._list.setItemDelegate(TwoLineDelegate(self._list))
        self._list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self._list.setMouseTracking(True)
        self._list.selectionModel().selectionChanged.connect(self._show_actions)
        self._list.activated.connect(self._open)
        for key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            away = QShortcut(key, self._list, context=Qt.ShortcutContext.WidgetShortcut)
            away.activated.connect(self._remove)

    def _action_bar(self) -> QHBoxLayout:
        bar = row(spacing=6)
        self._actions: dict[str, QPushButton] = {}
        for key, icon, help_text, slot in (
            ("up", "up", "Move up", self._up),
            ("down", "down", "Move down", self._down),
            ("hold", "pause", "Hold back, or let it wait again", self._hold),
            ("remove", "trash", "Take out of the queue", self._remove),
        ):
            made = button("", "compact", parent=self, icon=icon, help=help_text)
            made.clicked.connect(slot)
            self._actions[key] = made
            bar.addWidget(made)
        bar.addStretch(1)
        self._report = button(
            "", "compact", parent=self, icon="report", help="Report: one page for all runs that have begun"
        )
        self._report.clicked.connect(self._ask_report)
        bar.addWidget(self._report)
        return bar

    # --- drawing ------------------------------------------------------------------------------------------------

    @Slot()
    def show_queue(self) -> None:
        """Draw the list as it was read last."""
        desk, chosen = self._desk, self._chosen()
        self.setVisible(bool(desk.runs))
        at_work = desk.works or desk.works_elsewhere
        if self._entries.show([_entry(run, at_work=at_work) for run in desk.runs]):
            self._choose(chosen.id if chosen else "")
        self._list.setMinimumHeight(TwoLineDelegate.height + 6)
        self._list.setMaximumHeight(TwoLineDelegate.height * min(max(len(desk.runs), 1), SEEN_ROWS) + 6)
        goes_on = desk.mode != "off" and at_work
        waits = any(run.state in ("waiting", "running") for run in desk.runs)
        self._start.setVisible(not goes_on)
        self._start.setEnabled(waits and not desk.works_elsewhere)
        self._pause.setVisible(goes_on)
        self._report.setEnabled(any(run.folder is not None for run in desk.runs))
        self._state.setText(self._sentence(goes_on=goes_on))
        self._show_actions()

    def _sentence(self, *, goes_on: bool) -> str:
        """What the queue does, and how many runs wait."""
        desk = self._desk
        waiting = sum(run.state == "waiting" for run in desk.runs)
        waits = f"{words.count(waiting, 'run')} waiting." if waiting else "Nothing waits."
        if desk.works_elsewhere:
            return f"A terminal works it off. {waits}"
        if goes_on and desk.training is None and self._session.training:
            return f"It begins when the run ends that trains now. {waits}"
        return f"Training. {waits}" if goes_on else waits

    @Slot()
    def _show_actions(self) -> None:
        run, runs = self._chosen(), self._desk.runs
        place = runs.index(run) if run in runs else -1
        at_work = self._desk.works or self._desk.works_elsewhere
        still = run is not None and (run.state != "running" or not at_work)
        self._actions["up"].setEnabled(place > 0)
        self._actions["down"].setEnabled(0 <= place < len(runs) - 1)
        self._actions["hold"].setEnabled(
            still and run is not None and run.state not in ("completed", "running")
        )
        self._actions["remove"].setEnabled(still)

    def _chosen(self) -> QueuedRun | None:
        entries = [self._entries.entry(index) for index in self._list.selectedIndexes()]
        key = entries[0].key if entries and entries[0] is not None else ""
        return next((run for run in self._desk.runs if run.id == key), None)

    def _choose(self, key: str) -> None:
        place = self._entries.place_of(key)
        if place.isValid():
            self._list.setCurrentIndex(place)

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot()
    def _begin(self) -> None:
        try:
            self._session.start_queue()
        except UserError as error:
            self._session.told.emit("error", str(error), "")

    @Slot()
    def _up(self) -> None:
        self._with_chosen(lambda run: self._desk.move(run, "up"))

    @Slot()
    def _down(self) -> None:
        self._with_chosen(lambda run: self._desk.move(run, "down"))

    @Slot()
    def _hold(self) -> None:
        self._with_chosen(self._desk.hold)

    @Slot()
    def _remove(self) -> None:
        self._with_chosen(self._desk.remove)

    @Slot()
    def _open(self) -> None:
        run = self._chosen()
        if run is not None and run.folder is not None:
            self.opened.emit(run.folder)

    @Slot()
    def _ask_report(self) -> None:
        self.report_asked.emit([run.folder for run in self._desk.runs if run.folder is not None])

    def _with_chosen(self, act: Callable[[QueuedRun], None]) -> None:
        run = self._chosen()
        if run is not None:
            act(run)

    # --- Qt's own -----------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()


def _entry(run: QueuedRun, *, at_work: bool) -> Entry:
    """A run's two lines: its name, and how it stands. One that nobody works on any more goes on with the queue."""
    state = "interrupted" if run.state == "running" and not at_work else run.state
    detail = run.why or life_words(state)
    return Entry(run.id, words.literal(run.name), words.literal(detail), dot=DOTS[state], tip=run.why)
