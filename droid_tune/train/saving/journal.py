"""What a run tells while it trains: events to its log and then to a listener, and the status that lists of runs show."""

from __future__ import annotations

import logging
import math
import os
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from droid_tune.errors import DiskError, FolderGoneError, UserError
from droid_tune.events import Event, Notice, RunFinished, RunStarted
from droid_tune.machine.energy import EnergyMeter
from droid_tune.paths import RunPaths
from droid_tune.runs.best import Best
from droid_tune.runs.disk.anchor import Anchor
from droid_tune.runs.disk.durable import disk_error, write_text
from droid_tune.runs.disk.lock import RunLock, is_locked
from droid_tune.runs.folder import begun
from droid_tune.runs.log import EventLog
from droid_tune.runs.status import Status, read_status, write_status

Listener = Callable[[Event], None]
log = logging.getLogger(__name__)

#: least seconds between two writes of the run's status file while it trains
STATUS_INTERVAL_S = 5.0
#: what the list of runs shows of a run
SHOWN = (
    "reward",
    "loss",
    "eval/accuracy",
    "eval/reward",
    "eval/preference_accuracy",
    "eval/loss",
    "eval/perplexity",
)


class Journal:
    """A run's way out. Entered, it may write to the run's folder; the listener hears what was written.

    Entering raises OSError where the folder cannot be written.
    """

    def __init__(self, folder: Path, listener: Listener, total_steps: int = 0) -> None:
        self.paths = RunPaths(folder)
        self.step, self.total_steps = _stands_at(self.paths), total_steps  # until it begins
        self.saved_step = 0  # the last that this session wrote a checkpoint of
        self.best: Best | None = None  # by the held-out evaluations
        self._listener = listener
        self._log: EventLog | None = None
        self._anchor: Anchor | None = None
        self._opened = ExitStack()  # the anchor and the log
        self.lock: RunLock | None = None  # by which the run is ours
        self._waiting: list[Notice] = []
        self._has_begun = False
        self._created = begun(folder)
        self._status_written = 0.0
        known = read_status(folder)
        self._known, self._known_at = dict(known.metrics or {}), known.step or 0
        self._energy = EnergyMeter(known.joules)
        self._seconds_before, self._begun = known.seconds or 0.0, math.inf

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            anchor = opened.enter_context(Anchor(self.paths.folder))
            log = EventLog(self.paths.events, self.paths.rollouts, self.paths.id)
            opened.enter_context(closing(log))
            self._anchor, self._log, self._opened = anchor, log, opened.pop_all()
        return self

    def follow(self) -> bool:
        """Whether the run's folder was moved since; its files are written where it is now, never in two places.

        Raises FolderGoneError where it is nowhere.
        """
        if self._anchor is None:
            return False
        now = self._anchor.where()
        if now is None:
            self._take_up_again()
            return False
        if now == self.paths.folder:
            return False
        self.paths.move_to(now)
        self.notice(
            "run_moved", f"The run's folder was moved and is followed: it is {now} now.", level="info"
        )
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _close(self._opened)

    def listen(self, listener: Listener) -> None:
        """Another one hears in place of the listener, from now on."""
        self._listener = listener

    def begin(self, step: int, total_steps: int) -> None:
        """The run goes on from `step` updates, of `total_steps`."""
        self.step, self.total_steps = step, total_steps
        if step < self._known_at:  # of steps that are taken back
            self._known = {}
        self._write_status("running")

    def _take_up_again(self) -> None:
        """A disk that came back, or a copy, at the old place. Raises FolderGoneError where there is none, DiskError where
        it takes no file; the run then still has what it had."""
        if not self.paths.config.is_file():
            raise FolderGoneError(
                f"The run's folder {self.paths.folder} is gone", remedy="put it back where it was"
            )
        if self.lock is not None:
            self.lock.take_again()
        before, earlier = self._opened, self._log
        try:
            self.__enter__()
        except OSError as error:
            raise disk_error(error, self.paths.folder) from error
        if self._log is not None and earlier is not None:
            self._log.take_over(earlier)
        _close(before)

    def emit(self, event: Event) -> None:
        """Write, then tell. A run begins with `run_started`: notices that came before it follow it."""
        assert self._log is not None
        self._listener(self._log.write(event))
        if isinstance(event, RunStarted):
            self._has_begun = True
            # Not before: reading a model is no training. A sleeping Mac's clock stands.
            self._begun = time.monotonic()
            self._tell_waiting()

    def notice(self, code: str, text: str, remedy: str = "", *, level: str = "warning") -> None:
        """Tell a person something, once the run has begun; `level` is info, warning or error."""
        self._waiting.append(
            Notice.model_validate({"level": level, "code": code, "text": text, "remedy": remedy})
        )
        if self._has_begun:
            self._tell_waiting()

    def _tell_waiting(self) -> None:
        while self._waiting:
            self.emit(self._waiting.pop(0))

    def progressed(self, step: int, metrics: Mapping[str, float | None]) -> None:
        """Keep the list of runs fresh, without a disk flush at every step."""
        self.step = step
        self._known |= {name: value for name in SHOWN if (value := metrics.get(name)) is not None}
        if time.monotonic() - self._status_written > STATUS_INTERVAL_S and not self.behind:
            with suppress(DiskError, FolderGoneError):  # the next save will tell
                self.follow()
                self._write_status("running")

    @property
    def behind(self) -> bool:
        """Whether events wait for the disk to take them."""
        return self._log is not None and self._log.behind

    def catch_up(self) -> None:
        """Write the events that wait for the disk. Raises DiskError where it still takes none."""
        if self._log is not None and self._log.behind:
            self._sync(self._log)

    def saved(self, step: int) -> None:
        """With every checkpoint the events are on the disk too, and the list knows of it. Raises DiskError."""
        self.saved_step = step
        if self._log is not None:
            self._sync(self._log)
        self._write_status("running")

    def _sync(self, log: EventLog) -> None:
        try:
            log.sync()
        except OSError as error:
            raise disk_error(error, self.paths.events) from error

    def finish(self, finished: RunFinished) -> RunFinished:
        """The run's last event, as it was told. Raises nothing: where it cannot be written it is still told."""
        try:
            self._tell_waiting()
            finished = self._log.write(finished) if self._log is not None else finished
            self.follow()
            self._write_status(finished.outcome, finished.why)
        except (OSError, UserError, ValueError) as error:
            log.warning("the end of the run could not be written: %s", error)
        self._listener(finished)
        return finished

    def refuse(self, why: str) -> RunFinished:
        """The run could not even begin: that is told, and the run's files, which may be another's, stay as they are."""
        finished = RunFinished(outcome="failed", step=self.step, why=why, run_id=self.paths.id, outside=True)
        self._keep_first_end(finished)
        self._listener(finished)
        return finished

    def cut_off(self, why: str) -> RunFinished:
        """The engine's process has ended and can say nothing: told as the list of runs has it."""
        finished = RunFinished(outcome="interrupted", step=self.step, why=why, run_id=self.paths.id)
        self._keep_first_end(finished)
        self._listener(finished)
        return finished

    def _keep_first_end(self, finished: RunFinished) -> None:
        """Of a run that has no status yet and that nobody trains: else the list of runs would say that it was not started."""
        paths = self.paths
        if not paths.config.is_file() or read_status(paths.folder) != Status() or is_locked(paths.lock):
            return
        try:
            self._write_status(finished.outcome, finished.why)
        except UserError as error:
            log.warning("the end of the run could not be written: %s", error)

    def keep_traceback(self) -> Path:
        """Write the exception that is being handled beside the log; returns the file."""
        file = self.paths.folder / "error.log"
        try:
            write_text(file, traceback.format_exc())
        except UserError:
            log.warning("the traceback could not be written")
        return file

    def _write_status(self, state: str, why: str = "") -> None:
        self._status_written = time.monotonic()
        write_status(
            self.paths.folder,
            state=state,
            step=self.step,
            total_steps=self.total_steps,
            created=self._created,
            why=why,
            metrics=self._known,
            best=None if self.best is None else asdict(self.best),
            joules=self._energy.read(),
            seconds=self._seconds_before + max(0.0, time.monotonic() - self._begun),
            pid=os.getpid(),
        )


def _stands_at(paths: RunPaths) -> int:
    """The step of the newest checkpoint, 0 where there is none or its folder cannot be read."""
    try:
        return max(paths.checkpoint_folders(), default=0)
    except OSError:
        return 0


def _close(opened: ExitStack) -> None:
    """Each of what is open, whatever becomes of the others."""
    try:
        opened.close()
    except (OSError, ValueError) as failure:
        log.warning("the run's log could not be closed: %s", failure)


class SilentJournal(Journal):
    """Of a rank that trains along: rank 0 alone writes and tells."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, lambda _event: None)

    def emit(self, event: Event) -> None:
        """Rank 0 tells."""

    def _write_status(self, state: str, why: str = "") -> None:
        """Rank 0 writes."""
