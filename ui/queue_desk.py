"""The window's side of the queue: one run after another in the engine's thread, and what the list shows of them."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from droid_tune import words
from droid_tune.config import RunConfig
from droid_tune.errors import UserError
from ui.background import Task

if TYPE_CHECKING:  # the first paint does not wait for it
    from droid_tune.queue.queue_turns import QueueEnd
    from droid_tune.queue.queued_run import QueuedRun
    from droid_tune.queue.run_queue import Direction, QueueMode, RunQueue

#: said when a run was put into the queue; it is true until the queue begins
ADDED = "Added to the queue."


class QueueDesk(QObject):
    """Knows whose turn it is and holds the worker's lock; the session trains. `runs` is the list as it was read last."""

    changed = Signal()  # `runs`, `mode` or `works` may be others
    turn_came = Signal(Path)  # the folder of the run that is to train now
    told = Signal(str, str, str)  # level, sentence, remedy: for the banner

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._work = ExitStack()
        self._turn: QueuedRun | None = None
        self._asking: Task | None = None
        self._leaving = False
        self.runs: list[QueuedRun] = []
        self.mode: QueueMode = "off"
        self.works = False  # here
        self.works_elsewhere = False
        self._shown: tuple[object, ...] = ()

    @cached_property
    def _queue(self) -> RunQueue:
        from droid_tune.queue.run_queue import RunQueue

        return RunQueue()

    # --- what a person asks for ---------------------------------------------------------------------------------

    def add(self, config: RunConfig) -> int:
        """Put a run at the end; how many wait now. Raises UserError."""
        self._queue.add(config)
        self.read()
        return sum(run.state == "waiting" for run in self._queue.runs())

    def start(self, *, busy: bool) -> None:
        """Let the runs begin: at once, or when the run ends that keeps the engine `busy`. Raises UserError."""
        from droid_tune.queue.queue_turns import at_work

        if not self.works:
            self._work.enter_context(at_work(self._queue))
            self.works = True
        self._queue.set_mode("on")
        self.read()
        if not busy:
            self.next()

    def pause(self) -> None:
        """Begin no other run, here or wherever the queue is worked off; the session stops the one that trains."""
        self._queue.set_mode("off")
        self._rest()

    def move(self, run: QueuedRun, where: Direction) -> None:
        """Give a run another place."""
        self._change(partial(self._queue.move, run, where))

    def hold(self, run: QueuedRun) -> None:
        """Hold a run back, or let one wait again that was held back or that failed."""
        keep = run.state == "waiting"
        self._change(partial(self._queue.hold if keep else self._queue.release, run))

    def remove(self, run: QueuedRun) -> None:
        """Take a run out."""
        self._change(partial(self._queue.remove, run))

    def go_on(self, *, busy: bool) -> None:
        """As the window opens: a queue that a crash, a kill or a quit interrupted goes on."""
        waiting = [run for run in self._queue.runs() if run.state in ("waiting", "running")]
        if self._queue.mode != "on" or self._queue.has_worker or not waiting:
            return
        self.told.emit("info", "The queue goes on where it was interrupted.", "Pause it in Runs.")
        self.start(busy=busy)

    def leave(self) -> None:
        """The window closes: the run that is stopped for that is no wish to pause the queue."""
        self._leaving = True

    # --- turns --------------------------------------------------------------------------------------------------

    @property
    def training(self) -> QueuedRun | None:
        """The run of the queue that has its turn in this window."""
        return self._turn

    def next(self) -> None:
        """Ask whose turn it is, in the background, where the queue works here and nothing has its turn."""
        if self.works and not self._leaving and self._turn is None and self._asking is None:
            self._asking = Task(self._whose_turn, self, done=self._begin, failed=self._could_not_ask).start()

    def ended(self, life: str, why: str, *, asked: bool = False, outside: bool = False) -> None:
        """The engine is free: the run that had its turn ended so (another run may have trained instead).

        A stop that a person `asked` for halts the queue; one that the run's own settings wanted does not. A run that failed
        for what lies `outside` of it is held.
        """
        turn, self._turn = self._turn, None
        if turn is not None:
            from droid_tune.queue.queued_run import fruitless

            if life == "interrupted" and turn.is_fruitless:
                life, why = "failed", fruitless(turn, why)
            ends: dict[str, QueueEnd] = {
                "completed": "completed",
                "failed": "held" if outside else "failed",
                "interrupted": "cut_off",
            }
            by_itself: QueueEnd = "held" if life == "stopped" and not asked else "stopped"
            self._settle(turn, ends.get(life, by_itself), why)
            if asked and not self._leaving:
                self._queue.set_mode("off")
        if self.works and self._queue.mode == "on":
            self.next()
        elif self.works:
            self._rest()
        self.read()

    def _whose_turn(self) -> QueuedRun | None:
        """In the background: the run itself, once no process trains it that a killed queue has left behind."""
        from droid_tune.queue.queue_turns import begin_turn, wait_until_free

        run = begin_turn(self._queue)
        if run is not None:
            wait_until_free(Path(run.run), lambda: self._leaving)
        return run

    def _begin(self, run: QueuedRun | None) -> None:
        self._asking = None
        if run is None:
            self._queue.set_mode("off")
            self._tell_of_the_end()
            self._rest()
            return
        if self._queue.mode != "on" or self._leaving:  # paused while it was asked
            self._settle(run, "stopped", "")
            self._rest()
            return
        self._turn = run
        self.turn_came.emit(Path(run.run))
        self.read()

    def _settle(self, run: QueuedRun, end: QueueEnd, why: str) -> None:
        from droid_tune.queue.queue_turns import settle_turn

        settle_turn(self._queue, run, end, why)

    def _tell_of_the_end(self) -> None:
        states = [run.state for run in self._queue.runs()]
        failed = f", {states.count('failed')} failed" if "failed" in states else ""
        done = words.count(states.count("completed"), "run")
        self.told.emit("info", f"The queue has ended: {done} completed{failed}.", "Its report is in Runs.")

    def _could_not_ask(self, sentence: str) -> None:
        self._asking = None
        self._rest()
        self.told.emit("error", sentence, "")

    def _rest(self) -> None:
        """Where nothing of the queue trains here any more, another process may work it off."""
        if self._turn is None and self._asking is None:
            self._work.close()
            self.works = False
        self.read()

    # --- the list -----------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Read the list in the background; `changed` tells when it is there."""
        Task(self._read, self, done=self._keep, failed=self._say).start()

    def _read(self) -> tuple[list[QueuedRun], QueueMode, bool]:
        return self._queue.runs(), self._queue.mode, self._queue.has_worker

    def _keep(self, found: tuple[list[QueuedRun], QueueMode, bool]) -> None:
        self.runs, self.mode, has_worker = found
        self.works_elsewhere = has_worker and not self.works
        shown = (*found, self.works)
        if shown != self._shown:
            self._shown = shown
            self.changed.emit()

    def _change(self, change: partial[None]) -> None:
        try:
            change()
        except UserError as error:
            self.told.emit("error", str(error), "")
        self.read()

    def _say(self, sentence: str) -> None:
        self.told.emit("error", sentence, "")
