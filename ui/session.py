"""What the application is doing: the run that trains, the run that is shown, the draft of the next one.

Panes read from here and ask here; no pane knows another one or the engine.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from droid_tune import words
from droid_tune.config import RunConfig
from droid_tune.errors import UserError
from droid_tune.names import LAST
from droid_tune.paths import RunPaths
from droid_tune.runs.completions.completion_index import drop_index
from droid_tune.runs.state import RunState
from droid_tune.runs.status import may_go_on
from droid_tune.runs.steering import Wish, send
from ui.background import Task
from ui.draft import Draft
from ui.engine_worker import EngineDoor, Resumption, Steering
from ui.queue_desk import ADDED, QueueDesk
from ui.settings import Settings
from ui.widgets.charting.step_cursor import StepCursor
from ui.work.draft_desk import DraftDesk
from ui.work.engine_run import EngineRun
from ui.work.resuming import Resuming
from ui.work.run_reading import foreign_reach_of, state_of
from ui.work.shown_run import ShownRun

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary


class Session(QObject):
    """One engine thread at most. `revision` of the shown state tells panes when to draw again.

    It puts its parts together (`ui.work`): they know nothing of each other.
    """

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
        self.runs: list[RunSummary] = []
        self._last_run_shown = False
        self.engine_run = EngineRun(self)
        self.engine_run.began.connect(self.show_live)
        self.engine_run.changed.connect(self.life_changed)
        self.engine_run.failed.connect(self._say_error)
        self.engine_run.ended.connect(self._ended)
        self._resuming = Resuming(self)
        self._resuming.changed.connect(self.life_changed)
        self._resuming.ready.connect(self._begin_again)
        self._resuming.doubted.connect(self._ask_about)
        self._resuming.branched.connect(self.go_on)
        self._resuming.failed.connect(self._could_not_read)
        self.shown_run = ShownRun(self)
        self.shown_run.changed.connect(self.shown_changed)
        self.engine_run.moved.connect(self.shown_run.follow)
        self.shown_run.unreadable.connect(self._say_error)
        self._desk = DraftDesk(settings, self)
        self._desk.data_changed.connect(self.data_changed)
        self._desk.changed.connect(self.draft_changed)
        self._desk.consent_wanted.connect(self.import_consent_wanted)
        self._desk.told.connect(self.told)
        self.queue = QueueDesk(self)
        self.queue.turn_came.connect(self._take_turn)
        self.queue.told.connect(self.told)

    # --- training -----------------------------------------------------------------------------------------------

    @property
    def live(self) -> RunState | None:
        """The run that trains, or trained last in this window."""
        return self.engine_run.state

    @property
    def live_folder(self) -> Path | None:
        """The folder of that run."""
        return self.engine_run.folder

    @property
    def stopping(self) -> bool:
        """Whether the run that trains is being saved, to end."""
        return self.engine_run.stopping

    @property
    def stopping_now(self) -> bool:
        """Whether that was asked for twice."""
        return self.engine_run.stopping_now

    @property
    def training(self) -> bool:
        """Whether a run goes on or is about to."""
        return self.engine_run.busy or self._resuming.busy

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
        work = partial(self.engine.train, config, folder)
        self.engine_run.begin(folder, state_of(config), self._control(), work)

    def resume(self, folder: Path, further_steps: int | None = None, checkpoint: str = LAST) -> None:
        """Go on with a run on disk, to its planned end or `further_steps` on: its curve so far first, then the engine."""
        if self.training:
            raise UserError("A run is training already; stop it first.")
        resumption = Resumption(folder, further_steps, checkpoint)
        if found := foreign_reach_of(folder):
            self.consent_wanted.emit(resumption, found)
            return
        self.go_on(resumption)

    @Slot(object)
    def go_on(self, resumption: Resumption) -> None:
        """Read the run, ask where it is not as it was (`doubtful`), then train."""
        if self.engine_run.busy:
            self.told.emit("error", "A run is training already; stop it first.", "")
        else:
            self._resuming.read(resumption)

    def branch_off(self, resumption: Resumption) -> None:
        """Go on as a new run with what is there now; the old one stays as it is."""
        self._resuming.branch_off(resumption)

    def stop(self) -> None:
        """Ask the engine to save and end; said at once, done when it can. Asked again: end its children at once."""
        if self._resuming.busy:
            self._resuming.drop()
            self.life_changed.emit()
            self.queue.ended("stopped", "", asked=True)
        self.engine_run.stop()

    def toggle_pause(self) -> None:
        """Pause the run or let it go on; nothing while it is being saved."""
        self.engine_run.toggle_pause()

    def steer(self, one: Wish) -> None:
        """Ask the run that trains for a change; it is followed between two steps."""
        if self.live_folder is None or not self.training:
            return
        try:
            send(self.live_folder, [one])
        except UserError as error:
            self.told.emit("error", str(error), "")

    @Slot(object, object)
    def _begin_again(self, resumption: Resumption, state: RunState) -> None:
        work = partial(self.engine.resume, resumption)
        self.engine_run.begin(resumption.folder, state, self._control(), work)
        self.shown_run.read_past(resumption.folder, state)

    @Slot(object, list)
    def _ask_about(self, resumption: Resumption, doubts: list[str]) -> None:
        """Nobody sits beside a queue: there the run is left as it is, and the next one has its turn."""
        self.life_changed.emit()
        if self.queue.training is None:
            self.doubtful.emit(resumption, doubts)
        else:
            self.queue.ended("failed", " ".join(doubts))

    @Slot(str)
    def _could_not_read(self, sentence: str) -> None:
        self.life_changed.emit()
        self._say_error(sentence)
        self.queue.ended("failed", sentence)

    def _control(self) -> Steering:
        """Of a run that begins now. A queue works while nobody looks: it goes on with the next."""
        control = self.engine.control()
        control.attended = self.queue.training is None
        return control

    @Slot(object, bool)
    def _ended(self, state: RunState | None, asked: bool) -> None:
        self.refresh_runs()
        if state is not None:
            self.queue.ended(state.life, state.why, asked=asked, outside=state.outside)

    @Slot(str)
    def _say_error(self, sentence: str) -> None:
        self.told.emit("error", sentence, "")

    # --- the queue ----------------------------------------------------------------------------------------------

    def enqueue(self, config: RunConfig) -> None:
        """Let a run wait for its turn; behind one that trains the queue begins by itself. Raises UserError."""
        waiting = self.queue.add(config)
        if self.training and not self.queue.works_elsewhere:
            self.queue.start(busy=True)
        then = (
            "They begin when the run ends that trains now." if self.training else "Start the queue in Runs."
        )
        self.told.emit("info", ADDED, f"{words.count(waiting, 'run')} waiting. {then}")

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

    @property
    def shown(self) -> RunState:
        """The run that the panes draw; empty while there is none."""
        return self.shown_run.state

    @property
    def shown_folder(self) -> Path | None:
        """The folder of that run."""
        return self.shown_run.folder

    @property
    def cursor(self) -> StepCursor:
        """The step of it that is looked at."""
        return self.shown_run.cursor

    @Slot()
    def show_live(self) -> None:
        """Show the run that trains, or trained last in this window."""
        self.shown_run.drop_reading()
        if self.live is not None:
            self.shown_run.show(self.live, self.live_folder)

    def show_run(self, folder: Path) -> None:
        """Show a run from disk; it is read in the background."""
        if folder == self.live_folder:
            self.show_live()
            return
        self.settings.shown_run = folder.name
        self.shown_run.read(folder)

    # --- runs on disk -------------------------------------------------------------------------------------------

    def name_of(self, folder: Path) -> str:
        """What a run of the list is called; one that is not in it by its folder."""
        return next((run.name for run in self.runs if run.folder == folder), folder.name)

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
        Task(self.engine.runs, self, done=self._keep_runs, failed=self._say_error).start()

    def _keep_runs(self, runs: list[RunSummary]) -> None:
        self.runs = runs
        self.runs_changed.emit()
        self._show_last_run()

    @property
    def resumable(self) -> Path | None:
        """The folder of the shown run, where it may go on and nothing else trains."""
        shown = self.shown
        early = may_go_on(shown.life, shown.step, shown.total_steps)
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
            self.engine_run.forget()
        if folder == self.shown_folder:
            self.shown_run.forget()
        self._keep_runs([run for run in self.runs if run.folder != folder])

    def interrupted(self) -> list[RunSummary]:
        """Runs that a crash or a power cut ended, that can go on and that nobody waved away."""
        return [
            run
            for run in self.runs
            if run.state == "interrupted" and run.resumable and run.id not in self.settings.dismissed_runs
        ]

    # --- the draft ----------------------------------------------------------------------------------------------

    @property
    def draft(self) -> Draft:
        """The next run, as far as it is set up."""
        return self._desk.draft

    def restore_draft(self, values: dict[str, Any]) -> None:
        """The draft as it was at another time."""
        self._desk.restore(values)

    def import_config(self, file: Path, said: str = "") -> None:
        """The settings of a config become the draft, which is told in the words `said`, or as an import of the file.

        Raises UserError; nothing is changed then.
        """
        self._desk.import_config(file, said)

    def allow_import(self, file: Path) -> None:
        """The person allowed what a config reaches for: import it. Raises UserError."""
        self._desk.allow_import(file)

    def set_data(self, path: str) -> None:
        """Take a file, a folder, `sample` or a Hub id as the data of the next run."""
        self._desk.set_data(path)

    @Slot(object)
    def set_files(self, files: dict[str, list[str]]) -> None:
        """Files from several places, by their split."""
        self._desk.set_files(files)

    def keep_draft(self) -> None:
        """Put the draft into the settings, which are saved when the window closes."""
        self._desk.keep()
