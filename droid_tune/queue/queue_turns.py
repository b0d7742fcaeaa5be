"""Whose turn it is: what the one process does that works the queue off, be it the window or a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from droid_tune.config import RunConfig
from droid_tune.config.asking.trust import unallowed
from droid_tune.errors import UserError
from droid_tune.paths import RunPaths
from droid_tune.queue.queued_run import QueuedRun, read_queued_config
from droid_tune.queue.run_queue import RunQueue
from droid_tune.runs.disk.durable import clear_unfinished
from droid_tune.runs.disk.lock import RunLock, is_locked
from droid_tune.runs.folder import create_run, fresh_folder
from droid_tune.runs.status import read_status

#: how a turn may end: a run that was stopped or cut off goes on at its next one, one that was `held` (it stopped where its
#: own settings say, to be looked at, or failed for what they have no part in, a full disk say) when it is released
QueueEnd = Literal["completed", "failed", "held", "stopped", "cut_off"]
#: how often a run that another process trains, and a wish to stop, are looked at
LOOK_EVERY_S = 0.5


@contextmanager
def at_work(queue: RunQueue) -> Generator[None]:
    """Be the one process that works the queue off. Raises UserError where another one does."""
    with queue.changing():
        if queue.has_worker:
            raise UserError(
                "The queue is being worked off by another Droid Tune already",
                remedy="what is added gets its turn there; `droid-tune queue pause` halts it",
            )
        lock = RunLock(queue.worker_lock).__enter__()
        clear_unfinished(queue.folder)
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def begin_turn(queue: RunQueue, refused: Callable[[QueuedRun], object] = bool) -> QueuedRun | None:
    """The run whose turn it is, with its folder made; None where nothing waits. Only while `at_work`.

    One that was cut off comes first and goes on from its newest checkpoint. A config that cannot be used has failed, which
    `refused` hears of, and the next one's turn comes.
    """
    while True:
        with queue.changing():
            waiting = [run for run in queue.runs() if run.state in ("waiting", "running")]
            if not waiting:
                return None
            begun = _begun(queue, min(waiting, key=lambda run: run.turn))
        if begun is None:
            continue
        if begun.state == "running":
            return begun
        refused(begun)


def wait_until_free(folder: Path, should_stop: Callable[[], bool]) -> bool:
    """Wait until no process trains the run: the child of a queue that was killed saves and ends by itself.

    False where a stop is wished.
    """
    while is_locked(RunPaths(folder).lock) and not should_stop():
        time.sleep(LOOK_EVERY_S)
    return not should_stop()


def settle_turn(queue: RunQueue, run: QueuedRun, end: QueueEnd, why: str = "") -> None:
    """Say how a turn ended that `begin_turn` gave out; a run that was taken out meanwhile is forgotten."""
    with queue.changing():
        if not queue.config_file(run.id).exists():
            return
        state = "waiting" if end in ("stopped", "cut_off") else end
        queue.write(queue.newest(run).changed(state=state, why="" if end == "completed" else why))


def _require_allowed(config: RunConfig) -> None:
    if found := unallowed(config):
        raise UserError(
            f"Its settings reach for more than model and data, which nobody here allowed: {'; '.join(found)}",
            remedy="look at them, take the run out and add it anew",
        )


def _begun(queue: RunQueue, run: QueuedRun) -> QueuedRun | None:
    """One turn; a run that failed before it began, None for one that had ended already."""
    try:
        if run.run and read_status(Path(run.run)).state == "completed":
            queue.write(run.changed(state="completed", why=""))
            return None
        if run.made and run.folder is None:
            raise UserError(
                f"Its folder {run.run} is gone", remedy="release it to train it anew, or take it out"
            )
        config = read_queued_config(queue.config_file(run.id))
        folder = Path(run.run) if run.run else fresh_folder(config)
        saved = max(RunPaths(folder).checkpoint_folders(), default=0)
        begun = run.begun + 1 if saved == run.saved_step else 1
        made = run.changed(state="running", run=str(folder), saved_step=saved, begun=begun, why="")
        queue.write(made)  # before the folder: after a kill in between that same folder is made
        if not RunPaths(folder).config.exists():
            _require_allowed(config)
            create_run(config, folder)
        made = made.changed(made=True)
        queue.write(made)
    except UserError as error:
        made = run.changed(state="failed", why=str(error))
        queue.write(made)
    return made
