"""The door to the engine: train a run, or go on with one. Everything of MLX happens in the calling thread.

`emit` hears each event after it was written to the run's folder. Both functions return the run's last event
and raise nothing: what goes wrong is an event too, with one plain sentence (and a traceback in the log).
"""

from __future__ import annotations

import gc
import logging
import os
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droid_tune.config import RunConfig, build
from droid_tune.control import Control
from droid_tune.errors import Stopped, UserError
from droid_tune.events import Event, Notice, RunFinished
from droid_tune.paths import RunPaths
from droid_tune.runs.durable import write_text
from droid_tune.runs.folder import begun, read_config, write_status
from droid_tune.runs.lock import RunLock
from droid_tune.runs.log import EventLog

if TYPE_CHECKING:
    from droid_tune.train.distributed import World

Emit = Callable[[Event], None]
log = logging.getLogger(__name__)

#: least seconds between two writes of the run's status file while it trains
STATUS_INTERVAL_S = 5.0


def run_training(config: RunConfig, run_dir: Path, control: Control, emit: Emit) -> RunFinished:
    """Train a run made by `create_run` from its first step (or from its newest checkpoint, if it has one)."""
    return Engine(config, run_dir, control, emit).train()


def follows() -> bool:
    """Whether `mlx.launch` started this process as another rank than the first."""
    return int(os.environ.get("MLX_RANK", "0")) > 0


def follow_training(control: Control) -> RunFinished:
    """What every rank but the first does of a run that `mlx.launch` started: it trains, and writes nothing.

    Config and checkpoint come from rank 0; the model and the data must be at the same place on every machine.
    """
    from droid_tune.train.distributed import join_world

    world = join_world()
    try:
        sent = world.from_lead(None)
        with tempfile.TemporaryDirectory() as folder:
            follower = Follower(build(sent["config"]), Path(folder), control, _unheard, sent["further_steps"])
            follower.world = world
            return follower.outcome()
    finally:
        release_memory()


def _unheard(_event: Event) -> None:
    """Rank 0 alone tells."""


def resume_training(
    run_dir: Path, control: Control, emit: Emit, further_steps: int | None = None
) -> RunFinished:
    """Go on exactly where the run's newest good checkpoint stands: to its planned end, or `further_steps` on.

    Further steps may go past the planned end, which then moves; a schedule that falls is stretched to it.
    """
    try:
        config = read_config(run_dir)
    except UserError as error:
        finished = RunFinished(outcome="failed", step=0, why=str(error))
        emit(finished)
        return finished
    return Engine(config, run_dir, control, emit, further_steps).train()


class Engine:
    """One call of the door: lock, log, run, tidy up."""

    def __init__(
        self,
        config: RunConfig,
        run_dir: Path,
        control: Control,
        emit: Emit,
        further_steps: int | None = None,
    ) -> None:
        self.further_steps = further_steps
        self.config, self.paths, self.control = config, RunPaths(run_dir), control
        self._listener = emit
        self._log: EventLog | None = None
        self._status_written = 0.0
        self._known: dict[str, float] = {}
        self.created = begun(run_dir)
        self.step, self.total_steps = 0, config.training.iterations
        self.world: World
        #: fingerprints of the data files, as the run began with them
        self.data_state: dict[str, Any] = {}

    def train(self) -> RunFinished:
        """The whole of it. Never raises."""
        try:
            with RunLock(self.paths.lock):
                return self._locked()
        except UserError as error:  # the lock: the run's own files must not be touched
            finished = RunFinished(outcome="failed", step=0, why=str(error), run_id=self.paths.id)
            self._listener(finished)
            return finished
        finally:
            release_memory()

    def _locked(self) -> RunFinished:
        finished: RunFinished
        try:
            self._log = EventLog(self.paths.events, self.paths.rollouts, self.paths.id)
            self._join()
            finished = self.outcome()
        except OSError as error:
            finished = RunFinished(
                outcome="failed", step=self.step, why=f"The run folder cannot be written: {error}."
            )
        finished = self._finish(finished)
        return finished

    def _join(self) -> None:
        """Find the other ranks, if there are any, and tell them what is to be done."""
        from droid_tune.train.distributed import join_world

        self.world = join_world()
        self.world.from_lead(
            {"config": self.config.model_dump(mode="json"), "further_steps": self.further_steps}
        )

    def outcome(self) -> RunFinished:
        """Run, and put every way it can end into words."""
        from droid_tune.train.run import execute

        try:
            result = execute(self)
        except Stopped:
            return RunFinished(outcome="stopped", step=self.step, why="Stopped on request.")
        except UserError as error:
            return self._failed(str(error))
        except MemoryError:
            return self._failed(
                "The memory did not suffice; choose the low_memory preset or a smaller model."
            )
        except Exception as error:
            log.exception("the run %s failed", self.paths.id)
            self._keep_traceback()
            return self._failed(
                f"Something unforeseen went wrong ({type(error).__name__}: {error}). The details are in "
                f"{self.paths.folder / 'error.log'}; the last checkpoint is intact."
            )
        return RunFinished(outcome="completed", step=self.step, result=result)

    def _failed(self, why: str) -> RunFinished:
        return RunFinished(outcome="failed", step=self.step, why=why)

    def _keep_traceback(self) -> None:
        try:
            write_text(self.paths.folder / "error.log", traceback.format_exc())
        except UserError:
            log.warning("the traceback could not be written")

    def _finish(self, finished: RunFinished) -> RunFinished:
        try:
            stamped = self._log.write(finished) if self._log else finished
            if self._log:
                self._log.close()
            self.write_status(finished.outcome, why=finished.why)
        except (OSError, UserError, ValueError) as error:
            log.warning("the end of the run could not be written: %s", error)
            stamped = finished
        self._listener(stamped)
        return stamped

    # -- what the run calls ------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Write, then tell."""
        assert self._log is not None
        self._listener(self._log.write(event))

    def notice(self, code: str, text: str, remedy: str = "", *, level: str = "warning") -> None:
        self.emit(Notice.model_validate({"level": level, "code": code, "text": text, "remedy": remedy}))

    def saved(self) -> None:
        """With every checkpoint the events are on the disk too, and the list knows of it."""
        if self._log is not None:
            self._log.sync()
        self.write_status("running")

    def progressed(self, step: int, metrics: dict[str, float | None]) -> None:
        """Keep the list of runs fresh, without a disk flush at every step."""
        self.step = step
        shown = ("reward", "loss", "eval/accuracy", "eval/reward", "eval/loss", "eval/perplexity")
        self._known |= {name: value for name in shown if (value := metrics.get(name)) is not None}
        if time.monotonic() - self._status_written > STATUS_INTERVAL_S:
            self.write_status("running")

    def write_status(self, state: str, why: str = "") -> None:
        self._status_written = time.monotonic()
        write_status(
            self.paths.folder,
            state=state,
            step=self.step,
            total_steps=self.total_steps,
            created=self.created,
            why=why,
            metrics=self._known,
            pid=os.getpid(),
        )


class Follower(Engine):
    """A rank that trains along: it has no run folder, so it writes nothing and tells nobody."""

    def emit(self, event: Event) -> None:
        """Rank 0 tells."""

    def write_status(self, state: str, why: str = "") -> None:
        """Rank 0 writes."""


def release_memory() -> None:
    """Give the thread's MLX memory and streams back (without this a process may abort at exit)."""
    import mlx.core as mx

    gc.collect()
    mx.synchronize()
    mx.clear_cache()
    clear_streams = getattr(mx, "clear_streams", None)
    # The main thread keeps its streams: it could not use MLX again, and they end with the process anyway.
    if clear_streams is not None and threading.current_thread() is not threading.main_thread():
        clear_streams()
