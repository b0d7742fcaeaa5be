"""The workbench: a reward written, tried on rows in a second, and laid on a past run, before anything is trained with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QDialog, QSplitter, QStackedWidget, QWidget

from droid_tune.config.rewards import computes_here
from droid_tune.control import Watch
from droid_tune.errors import Stopped
from droid_tune.trial_report import BenchQuestion, Rescored, RescoredStep, Trial
from ui.draft import Draft
from ui.panes.setup.readiness.reward_readiness import remember_tried
from ui.panes.setup.workbench.bench_foot import BenchFoot
from ui.panes.setup.workbench.bench_head import ALL, BenchHead
from ui.panes.setup.workbench.editor_panel import EditorPanel
from ui.panes.setup.workbench.past_view import PastView
from ui.panes.setup.workbench.tries_view import TriesView
from ui.session import Session
from ui.widgets.basics import column
from ui.widgets.segmented import Segmented
from ui.work.taking_turns import taking_turns
from ui.work.watched_thread import WatchedThread, WatchedWork

Values = dict[str, Any]

ROWS = 8
WIDTH, HEIGHT = 1080, 680
WAITS = "waiting for the run that trains: this reward asks a model, and two have no room"
PAGES = (("rows", "Rows"), ("past", "Past run"))


class WorkbenchSheet(QDialog):
    """A sheet over the window on the draft's rewards. `filed` tells (place, path) of a reward whose file is another now."""

    filed = Signal(int, str)
    tried = Signal()

    def __init__(self, session: Session, rewards: Sequence[Values], place: int, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Reward Workbench")
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._session = session
        self._rewards = [dict(values) for values in rewards]
        self._thread: WatchedThread | None = None
        self._asked = BenchQuestion({"rewards": []})  # what is tried
        self._wants_trial = True  # as soon as the text was looked at
        self.resize(min(WIDTH, parent.width() - 40), min(HEIGHT, parent.height() - 40))
        layout = column(self, spacing=0)
        self._head = BenchHead(self._rewards, session.runs, self)
        self._head.choose(place)
        self._head.reward_chosen.connect(self._show_choice)
        self._head.run_chosen.connect(self._show_buttons)
        layout.addWidget(self._head)
        layout.addWidget(self._body(), 1)
        self._foot = BenchFoot(self)
        self._foot.close_asked.connect(self.reject)
        self._foot.score_asked.connect(self.score_run)
        self._foot.try_asked.connect(self.try_now)
        layout.addWidget(self._foot)
        for keys in ("Ctrl+Return", "Ctrl+Enter"):
            QShortcut(QKeySequence(keys), self, self.try_now)
        QShortcut(QKeySequence(QKeySequence.StandardKey.Save), self, self.save)
        self._show_choice()

    # --- parts --------------------------------------------------------------------------------------------------

    def _body(self) -> QSplitter:
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(12)
        split.setContentsMargins(20, 0, 20, 8)
        self.editor = EditorPanel(self._session.engine, split)
        self.editor.filed.connect(self._file)
        self.editor.looked.connect(self._looked)
        results = QWidget(split)
        box = column(results, spacing=8)
        self._pages = Segmented(PAGES, results, "What is shown")
        self._pages.chosen.connect(self._turn)
        box.addWidget(self._pages, 0, Qt.AlignmentFlag.AlignLeft)
        self._stack = QStackedWidget(results)
        self.rows, self.past = TriesView(self._stack), PastView(self._stack)
        self.editor.edited.connect(self.rows.show_stale)
        self._stack.addWidget(self.rows)
        self._stack.addWidget(self.past)
        box.addWidget(self._stack, 1)
        split.setSizes([WIDTH // 2, WIDTH // 2])
        return split

    # --- what is tried ------------------------------------------------------------------------------------------

    @property
    def place(self) -> int:
        """The reward that is chosen; `ALL` for all of them together."""
        return self._head.place

    @property
    def _edits(self) -> bool:
        """Whether the chosen reward is a Python file."""
        return self.place != ALL and self._rewards[self.place].get("type") == "user_file"

    @Slot()
    def _show_choice(self) -> None:
        self._wants_trial = True
        self.editor.setVisible(self._edits)
        if self._edits:
            values = self._rewards[self.place]
            self.editor.open_path(str(values.get("path", "")), str(values.get("function", "")))
        else:
            self.try_now()
        self._show_buttons()

    @Slot(bool)
    def _looked(self, ok: bool) -> None:
        self._show_buttons()
        if ok and self._wants_trial:
            self.try_now()

    @Slot(str)
    def _file(self, path: str) -> None:
        self._rewards[self.place] = {**self._rewards[self.place], "path": path}
        self.filed.emit(self.place, path)

    @Slot()
    def save(self) -> None:
        """As if Save were pressed, where there is a file to save."""
        if self._edits:
            self.editor.save()

    def question(self) -> BenchQuestion:
        """What is asked of the engine: the chosen rewards on the draft's data."""
        chosen = self._rewards if self.place == ALL else [self._rewards[self.place]]
        unsaved: dict[str, str] = {}
        if self._edits:
            chosen = [{**chosen[0], "path": self.editor.place}]
            unsaved = {self.editor.place: self.editor.text}
        return asked_of(self._session.draft, chosen, unsaved, self._head.run)

    # --- trying -------------------------------------------------------------------------------------------------

    @Slot()
    def try_now(self) -> None:
        """As if Try were pressed."""
        self._wants_trial = False
        engine, question = self._session.engine, self.question()
        self._asked = question
        self._begin(
            lambda watch, _: engine.try_rewards(question, watch), self._show_trial, self.rows.show_fault
        )
        self._turn_to("rows")

    @Slot()
    def score_run(self) -> None:
        """As if Score Run Anew were pressed."""
        engine, question = self._session.engine, self.question()
        self.past.begin(self._head.run_name)
        self._begin(partial(engine.rescore, question), self._show_past, self._say_past)
        self._turn_to("past")

    def _begin(
        self, work: WatchedWork, done: Callable[[Any], object], failed: Callable[[str], object]
    ) -> None:
        self._let_go()
        if any(computes_here(values) for values in self.question().config["rewards"]):
            work = in_turn(work)
        thread = self._thread = WatchedThread(work)
        thread.done.connect(done)
        thread.failed.connect(failed)
        thread.stepped.connect(self._add_step)
        thread.progressed.connect(self._foot.show_progress)
        thread.ended.connect(self._say_ended)
        thread.finished.connect(self._finished)
        thread.begin()
        self._show_buttons()

    @property
    def _stale(self) -> bool:
        """Whether a signal comes from a thread that nobody waits for any more."""
        return self.sender() is not self._thread

    @Slot()
    def _finished(self) -> None:
        if not self._stale:
            self._thread = None
            self._show_buttons()

    @Slot(object)
    def _show_trial(self, trial: Trial) -> None:
        if not self._stale:
            self.rows.show_trial(trial)
            remember_tried(self._asked.config["rewards"], self._asked.unsaved, self._session.settings)
            self.tried.emit()

    @Slot(object)
    def _add_step(self, step: RescoredStep) -> None:
        if not self._stale:
            self.past.add_step(step)

    @Slot(object)
    def _show_past(self, found: Rescored) -> None:
        if not self._stale:
            self.past.end(found)

    @Slot(str)
    def _say_past(self, sentence: str) -> None:
        self.past.end(None, sentence)

    @Slot()
    def _say_ended(self) -> None:
        if self._stack.currentWidget() is self.past:
            self.past.end(None, "Stopped. What was scored until then stands here.")

    # --- the sheet ----------------------------------------------------------------------------------------------

    @property
    def working(self) -> bool:
        """Whether something is being tried."""
        return self._thread is not None

    @Slot()
    def _show_buttons(self) -> None:
        able = not self._edits or self.editor.ready
        self._foot.show_state(working=self.working, able=able, has_run=bool(self._head.run))

    @Slot(str)
    def _turn(self, key: str) -> None:
        self._stack.setCurrentIndex([page for page, _ in PAGES].index(key))

    def _turn_to(self, key: str) -> None:
        self._pages.choose(key)
        self._turn(key)

    def _let_go(self) -> None:
        if self._thread is not None:
            self._thread.let_go()
            self._thread = None

    def reject(self) -> None:
        """The first press ends what is tried; the next closes, after a question where a text is not saved."""
        if self._thread is not None:
            self._thread.stop()
            self._foot.say("Stopping…")
        elif self._edits:
            self.editor.leaving(super().reject)
        else:
            super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:
        """The window's own button asks as well."""
        if self._edits and self.editor.unsaved:
            event.ignore()
            self.reject()
            return
        super().closeEvent(event)

    def done(self, result: int) -> None:
        self._wants_trial = False
        self.editor.shut()
        self._let_go()
        super().done(result)


def in_turn(work: WatchedWork) -> WatchedWork:
    """The same once no run, check or answer uses this machine's models: two at a time have no room."""

    def waiting(watch: Watch, step: Callable[[Any], object]) -> Any:
        with taking_turns(watch.should_stop or bool, lambda: watch.tell(0, 0, WAITS)) as taken:
            if not taken:
                raise Stopped
            return work(watch, step)

    return waiting


def asked_of(draft: Draft, rewards: Sequence[Values], unsaved: Mapping[str, str], run: str) -> BenchQuestion:
    """Rewards on the draft's data, as long as its completions may be; the rest of the draft may be at fault."""
    sampling = draft.own_values("sampling")
    longest = {key: value for key, value in sampling.items() if key == "max_completion_length"}
    config = {"rewards": list(rewards), "data": draft.own_values("data"), "sampling": longest}
    return BenchQuestion(config, unsaved, run, ROWS)
