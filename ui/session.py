"""What the application is doing: the run that trains, the run that is shown, the draft of the next one.

Panes read from here and ask here; no pane knows another one or the engine.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from droid_tune import words
from droid_tune.config import RunConfig
from droid_tune.config.config_file import read_config_file, with_absolute_paths
from droid_tune.config.trust import allow_file, unallowed_reach
from droid_tune.errors import UserError
from droid_tune.events import Continued, Event, Notice, Paused, RunFinished
from droid_tune.names import LAST
from droid_tune.paths import RunPaths
from droid_tune.runs.completions.asking import groups_of
from droid_tune.runs.completions.completion_index import CompletionIndex, drop_index
from droid_tune.runs.log import replay
from droid_tune.runs.reward_distribution import series_of
from droid_tune.runs.series import Series
from droid_tune.runs.state import RunState
from droid_tune.runs.steering import Wish, send
from ui.background import Task
from ui.draft import Draft
from ui.engine_worker import Emit, EngineDoor, EngineThread, Resumption, Steering
from ui.queue_desk import QueueDesk
from ui.settings import Settings
from ui.widgets.charting.step_cursor import StepCursor

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

log = logging.getLogger(__name__)

#: between the press of Train and the engine's thread: time to show the Monitor
START_AFTER_MS = 30

#: of a run's completions the newest are read with it; all of them are a table on disk (runs/completions)
RECENT_ROLLOUT_BYTES = 1_000_000


class Session(QObject):
    """One engine thread at most. `revision` of the shown state tells panes when to draw again."""

    life_changed = Signal()  # a run began, stops, paused, ended
    shown_changed = Signal()  # another run is shown
    runs_changed = Signal()  # the list on disk was read again
    data_changed = Signal(str)  # the draft's data folder
    draft_changed = Signal()  # the draft changed from outside the Setup pane
    import_consent_wanted = Signal(
        Path, list
    )  # a config that reaches for more than model and data, in clauses
    consent_wanted = Signal(
        object, list
    )  # a Resumption that reaches for more than model and data, in clauses
    doubtful = Signal(
        object, list
    )  # a Resumption, and sentences: what is not as it was when the run was trained last
    told = Signal(str, str, str)  # level, sentence, remedy: for the banner

    def __init__(self, engine: EngineDoor, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self.settings = settings
        self.draft = Draft.from_values(settings.draft)
        self.live: RunState | None = None
        self.live_folder: Path | None = None
        self.shown = RunState()
        self.shown_folder: Path | None = None
        self.cursor = StepCursor(self)
        self.runs: list[RunSummary] = []
        self.stopping = False
        self.stopping_now = False  # was asked twice
        self._thread: EngineThread | None = None
        self._control: Steering | None = None
        self._failure = ""
        self._last_run_shown = False
        self._reading: Task | None = None  # a run about to be resumed
        self._showing: Task | None = None  # a run about to be shown
        self.queue = QueueDesk(self)
        self.queue.turn_came.connect(self._take_turn)
        self.queue.told.connect(self.told)

    # --- training -----------------------------------------------------------------------------------------------

    @property
    def training(self) -> bool:
        """Whether a run goes on or is about to."""
        return self._thread is not None or self._reading is not None

    @property
    def paused(self) -> bool:
        """By the user, or by the engine for want of memory."""
        return self.live is not None and self.live.life == "paused"

    def train(self, config: RunConfig) -> None:
        """Begin a new run. Raises UserError where its folder cannot be made."""
        if self.training:
            raise UserError("A run is training already; stop it first.")
        folder = self.engine.create(config)
        self.settings.remember_data(config.data.path)
        self.settings.remember_model(config.model.path)
        self._begin(folder, RunState(), partial(self.engine.train, config, folder))

    def resume(self, folder: Path, further_steps: int | None = None, checkpoint: str = LAST) -> None:
        """Go on with a run on disk, to its planned end or `further_steps` on: its curve so far first, then the engine."""
        if self.training:
            raise UserError("A run is training already; stop it first.")
        resumption = Resumption(folder, further_steps, checkpoint)
        if found := _foreign_reach(folder):
            self.consent_wanted.emit(resumption, found)
            return
        self.go_on(resumption)

    def go_on(self, resumption: Resumption) -> None:
        """Read the run, ask where it is not as it was (`doubtful`), then train."""
        if self._thread is not None:
            self.told.emit("error", "A run is training already; stop it first.", "")
            return
        read = partial(read_resumed, resumption)
        again = partial(self._begin_again, resumption)
        self._reading = Task(read, self, done=again, failed=self._could_not_read).start()
        self.life_changed.emit()

    def branch_off(self, resumption: Resumption) -> None:
        """Go on as a new run with what is there now; the old one stays as it is."""

        def branched(folder: Path) -> None:
            self.go_on(replace(resumption, folder=folder, accepted=True))

        from droid_tune.runs.branch import branch_off

        work = partial(branch_off, resumption.folder)
        self._reading = Task(work, self, done=branched, failed=self._could_not_read).start()
        self.life_changed.emit()

    def stop(self) -> None:
        """Ask the engine to save and end; said at once, done when it can. Asked again: end its children at once."""
        if self._reading is not None:
            self._reading.drop()
            self._reading = None
            self.life_changed.emit()
            self.queue.ended("stopped", "", asked=True)
        if self._control is not None and self.stopping and not self.stopping_now:
            self.stopping_now = True
            self._control.stop_now()
            self.life_changed.emit()
        elif self._control is not None and not self.stopping:
            self.stopping = True
            self._control.request_stop()
            if self.live is not None and self.live.life == "paused":
                self.live.life, self.live.held = "running", None
            self.life_changed.emit()

    def toggle_pause(self) -> None:
        """Pause the run or let it go on; nothing while it is being saved."""
        if self._control is None or self.live is None or self.stopping:
            return
        if self.live.life == "paused":
            self._control.resume()
            self.live.life, self.live.held = "running", None
        else:
            self._control.request_pause()
            self.live.life = "paused"
        self.live.revision += 1
        self.life_changed.emit()

    def steer(self, one: Wish) -> None:
        """Ask the run that trains for a change; it is followed between two steps."""
        if self.live_folder is None or not self.training:
            return
        try:
            send(self.live_folder, [one])
        except UserError as error:
            self.told.emit("error", str(error), "")

    def _begin_again(self, resumption: Resumption, found: tuple[RunState, list[str]]) -> None:
        state, doubts = found
        self._reading = None
        if doubts:
            self._ask_about(resumption, doubts)
            return
        self._begin(resumption.folder, state, partial(self.engine.resume, resumption))
        self._read_past(resumption.folder, state)

    def _ask_about(self, resumption: Resumption, doubts: list[str]) -> None:
        """Nobody sits beside a queue: there the run is left as it is, and the next one has its turn."""
        self.life_changed.emit()
        if self.queue.training is None:
            self.doubtful.emit(resumption, doubts)
        else:
            self.queue.ended("failed", " ".join(doubts))

    def _could_not_read(self, sentence: str) -> None:
        self._reading = None
        self.life_changed.emit()
        self.told.emit("error", sentence, "")
        self.queue.ended("failed", sentence)

    def _begin(self, folder: Path, state: RunState, work: Callable[[Steering, Emit], object]) -> None:
        control = self.engine.control()
        control.attended = (
            self.queue.training is None
        )  # a queue works while nobody looks: it goes on with the next
        state.life = "running"
        self.live, self.live_folder = state, folder
        self._failure = ""
        self.stopping = self.stopping_now = False
        self._control = control
        self._thread = EngineThread(lambda emit: work(control, emit), self)
        self._thread.told.connect(self._apply)
        self._thread.failed.connect(self._fail)
        self._thread.finished.connect(self._ended)
        self.show_live()
        # What watches the run is built before MLX is imported beside it: the two would take turns for seconds.
        QTimer.singleShot(START_AFTER_MS, self._thread, self._thread.start)
        self.life_changed.emit()

    @Slot(object)
    def _apply(self, event: Event) -> None:
        if self.live is None:
            return
        paused = self.live.life == "paused"
        self.live.apply(event)
        if paused and self.live.life == "running" and not isinstance(event, Continued):
            self.live.life = "paused"  # events of the work in flight do not end a pause
        if isinstance(event, Paused | Continued):
            self.life_changed.emit()
        if isinstance(event, Notice) and event.code == "memory_hold" and self.live.running:
            self.live.life = "paused"  # the engine's own pause, for want of memory
            self.life_changed.emit()

    @Slot(str)
    def _fail(self, sentence: str) -> None:
        self._failure = sentence

    @Slot()
    def _ended(self) -> None:
        state, thread, asked = self.live, self._thread, self.stopping
        self._thread, self._control = None, None
        self.stopping = self.stopping_now = False
        if thread is not None:
            thread.deleteLater()
        if state is not None and (state.running or self._failure):
            why = self._failure or "The engine ended without saying why; see the log."
            if state.running:
                state.apply(RunFinished(outcome="failed", step=state.step, why=why))
            state.apply(Notice(level="error", code="engine_failed", text=why, step=state.step))
            self.told.emit("error", why, "")
        self.life_changed.emit()
        self.refresh_runs()
        if state is not None:
            self.queue.ended(state.life, state.why, asked=asked)

    # --- the queue ----------------------------------------------------------------------------------------------

    def enqueue(self, config: RunConfig) -> None:
        """Let a run wait for its turn; behind one that trains the queue begins by itself. Raises UserError."""
        waiting = self.queue.add(config)
        if self.training and not self.queue.works_elsewhere:
            self.queue.start(busy=True)
        then = (
            "They begin when the run ends that trains now." if self.training else "Start the queue in Runs."
        )
        self.told.emit("info", "Added to the queue.", f"{words.count(waiting, 'run')} waiting. {then}")

    def start_queue(self) -> None:
        """Let the queue's runs begin, one after the other. Raises UserError where another process works it off."""
        self.queue.start(busy=self.training)

    @Slot()
    def go_on_with_queue(self) -> None:
        """As the window opens: what a crash, a kill or a quit interrupted goes on."""
        self.queue.go_on(busy=self.training)

    def pause_queue(self) -> None:
        """Save and stop the queue's run that trains, and begin no other."""
        self.queue.pause()
        if self.queue.training is not None:
            self.stop()

    @Slot(Path)
    def _take_turn(self, folder: Path) -> None:
        if self.training:  # by hand, since the turn was asked for
            self.queue.ended("waits", "")
        else:
            self.resume(folder)

    # --- what is shown ------------------------------------------------------------------------------------------

    def show_live(self) -> None:
        """Show the run that trains, or trained last in this window."""
        self._drop_showing()
        if self.live is not None:
            self.shown, self.shown_folder = self.live, self.live_folder
            self.cursor.forget()
            self.shown_changed.emit()

    def show_run(self, folder: Path) -> None:
        """Show a run from disk; it is read in the background."""
        if folder == self.live_folder:
            self.show_live()
            return
        self._drop_showing()
        self.settings.shown_run = folder.name
        self._showing = Task(
            partial(read_run, folder),
            self,
            done=partial(self._show_read, folder),
            failed=self._say_unreadable,
        ).start()

    def _drop_showing(self) -> None:
        """The newest wish counts, however long the ones before take to read."""
        if self._showing is not None:
            self._showing.drop()

    def _show_read(self, folder: Path, state: RunState) -> None:
        self.shown, self.shown_folder = state, folder
        self.cursor.forget()
        self.shown_changed.emit()
        self._read_past(folder, state)

    def _read_past(self, folder: Path, state: RunState) -> None:
        """What only all of its completions tell, in the background: they may be many."""
        if RunPaths(folder).rollouts.exists():
            Task(
                partial(past_of, folder),
                self,
                done=state.fill,
                failed=self._say_unreadable,
            ).start()

    def _say_unreadable(self, sentence: str) -> None:
        self.told.emit("error", sentence, "")

    # --- runs on disk -------------------------------------------------------------------------------------------

    def rename_run(self, folder: Path, name: str) -> None:
        """Give a run another name, wherever it is shown. Raises UserError."""
        self.engine.rename(folder, name)
        for state, where in ((self.shown, self.shown_folder), (self.live, self.live_folder)):
            if state is not None and where == folder:
                state.config = {**state.config, "name": name}
                state.revision += 1
        self.shown_changed.emit()
        self.refresh_runs()

    def refresh_runs(self) -> None:
        """Read the list of runs in the background; `runs_changed` tells when it is there."""
        Task(self.engine.runs, self, done=self._keep_runs, failed=self._say_unreadable).start()

    def _keep_runs(self, runs: list[RunSummary]) -> None:
        self.runs = runs
        self.runs_changed.emit()
        self._show_last_run()

    @property
    def resumable(self) -> Path | None:
        """The folder of the shown run, where it ended between its first and its last step and nothing else trains."""
        shown = self.shown
        early = shown.life in ("stopped", "interrupted", "failed") and 0 < shown.step < shown.total_steps
        return self.shown_folder if early and not self.training else None

    def _show_last_run(self) -> None:
        """Once, as the window opens: the run that was trained last, so that one can go on where one was."""
        ended = [run for run in self.runs if run.state not in ("created", "running")]
        if self._last_run_shown or self.shown.life != "empty":
            return
        self._last_run_shown = True
        if ended:
            chosen = next((run for run in self.runs if run.id == self.settings.shown_run), None)
            self.show_run((chosen or max(ended, key=lambda run: run.updated)).folder)

    def forget_run(self, folder: Path) -> None:
        """Its folder is gone: it leaves the list, and the panes that show it."""
        drop_index(RunPaths(folder).rollouts)
        if folder == self.live_folder and not self.training:
            self.live = self.live_folder = None
        if folder == self.shown_folder:
            self._drop_showing()
            self.shown, self.shown_folder = RunState(), None
            self.shown_changed.emit()
        self._keep_runs([run for run in self.runs if run.folder != folder])

    def interrupted(self) -> list[RunSummary]:
        """Runs that a crash or a power cut ended, that can go on and that nobody waved away."""
        return [
            run
            for run in self.runs
            if run.state == "interrupted" and run.resumable and run.id not in self.settings.dismissed_runs
        ]

    # --- the draft ----------------------------------------------------------------------------------------------

    def restore_draft(self, values: dict[str, Any]) -> None:
        """The draft as it was at another time."""
        before = self.draft.data
        self.draft.restore(values)
        if self.draft.data != before:
            self.data_changed.emit(self.draft.data)
        self.draft_changed.emit()

    def import_config(self, file: Path) -> None:
        """The settings of a config, ours or another trainer's, become the draft; what has no counterpart is told.

        The chosen data stays where the config names none that is here. Raises UserError; nothing is changed then.
        """
        imported = read_config_file(file)
        values, notes = with_absolute_paths(imported.values, file.parent), list(imported.notes)
        if found := unallowed_reach(file, values):
            self.import_consent_wanted.emit(file, found)
            return
        data = values.get("data")
        path = data.get("path") if isinstance(data, dict) else None
        if path and path != "sample" and not Path(str(path)).exists():
            notes.append(f"Its data {path} is not on this computer: the chosen data stays.")
            values = {key: value for key, value in values.items() if key != "data"}
        before = self.draft.data
        self.draft.take(values)
        if self.draft.data != before:
            self.data_changed.emit(self.draft.data)
        self.draft_changed.emit()
        said = f"The settings of {words.literal(file.name)} were imported"
        said += f"; {words.count(len(notes), 'thing')} to know." if notes else "."
        self.told.emit("warning" if notes else "good", said, "\n".join(map(words.literal, notes)))

    def allow_import(self, file: Path) -> None:
        """The person allowed what a config reaches for: import it. Raises UserError."""
        allow_file(file, with_absolute_paths(read_config_file(file).values, file.parent))
        self.import_config(file)

    def set_data(self, path: str) -> None:
        """Take a file, a folder, `sample` or a Hub id as the data of the next run."""
        self.draft.set_data(path)
        if path != "sample":
            self.settings.remember_data(path)
        self.data_changed.emit(path)
        self.draft_changed.emit()

    @Slot(object)
    def set_files(self, files: dict[str, list[str]]) -> None:
        """Files from several places, by their split."""
        paths = [Path(one) for group in files.values() for one in group]
        common = Path(os.path.commonpath([path.parent for path in paths]))
        self.draft.set_data(str(common))
        self.draft.set("data.files", files)
        self.data_changed.emit(str(common))
        self.draft_changed.emit()

    def keep_draft(self) -> None:
        """Put the draft into the settings, which are saved when the window closes."""
        self.settings.draft = self.draft.to_values()


def _foreign_reach(folder: Path) -> list[str]:
    """What the run of a folder from elsewhere reaches for; a folder that is no run is the engine's to refuse."""
    with contextlib.suppress(UserError):
        from droid_tune.runs.foreign import foreign_reach

        return foreign_reach(folder)
    return []


def read_resumed(resumption: Resumption) -> tuple[RunState, list[str]]:
    """A run that is to go on, and what its user should be asked about first."""
    from droid_tune.runs.identity import doubts_of

    doubts = [] if resumption.accepted else doubts_of(resumption.folder, resumption.checkpoint)
    return read_run(resumption.folder), doubts


def read_run(folder: Path) -> RunState:
    """A run as its files tell it."""
    state = RunState().apply_all(_events_of(folder))
    state.mark_interrupted()
    if state.life == "empty":
        state.life = "interrupted"
        with contextlib.suppress(OSError):
            state.started_at = RunPaths(folder).config.stat().st_mtime
    return state


def past_of(folder: Path) -> dict[str, Series]:
    """How the rewards were spread in every step, by the table of all completions, which is brought up to date."""
    with CompletionIndex(RunPaths(folder).rollouts) as index:
        for _ in index.update():
            pass
        return series_of(groups_of(index))


def _events_of(folder: Path) -> list[Event]:
    paths = RunPaths(folder)
    return list(replay(paths.events, paths.rollouts, RECENT_ROLLOUT_BYTES))
