"""Work the queue off: one run after another, until nothing waits or somebody says stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from droid_tune.errors import UserError
from droid_tune.events import Event
from droid_tune.paths import RunPaths
from droid_tune.queue.power_wait import PowerGate
from droid_tune.queue.queue_turns import at_work, begin_turn, settle_turn, wait_until_free
from droid_tune.queue.queued_run import QueuedRun, fruitless
from droid_tune.queue.run_queue import RunQueue
from droid_tune.queue.training_child import TurnEnded, train_in_child
from droid_tune.runs.disk.lock import is_locked
from droid_tune.runs.status import read_status


class Overseer(Protocol):
    """Who looks on while the queue is worked off."""

    def should_stop(self) -> bool:
        """Whether the run that trains is to be saved and the work to end."""
        ...

    def turn(self, run: QueuedRun) -> AbstractContextManager[Callable[[Event], None]]:
        """A run's turn: what is entered hears its events."""
        ...

    def ended(self, run: QueuedRun, ended: TurnEnded) -> None:
        """How the turn ended, that of a run too which could not begin."""


def work_off(queue: RunQueue, overseer: Overseer, power: PowerGate | None = None) -> None:
    """Let the runs begin and train them all; returns when nothing waits, the queue is paused or a stop is wished.

    Where `power` closes, the run that trains is saved and goes on later. Raises UserError where another process works the
    queue off already.
    """

    def refused(run: QueuedRun) -> None:
        overseer.ended(run, TurnEnded("failed", run.why))

    with at_work(queue):
        queue.set_mode("on")
        while queue.mode == "on" and not overseer.should_stop():
            if power is not None:
                power.wait()
                if queue.mode != "on" or overseer.should_stop():
                    break
            run = begin_turn(queue, refused)
            if run is None:
                break
            ended = _turn(queue, run, overseer, power)
            settle_turn(queue, run, ended.end, ended.why)
            overseer.ended(run, ended)
        if queue.mode != "off" and not overseer.should_stop():
            queue.set_mode("off")


def _turn(queue: RunQueue, run: QueuedRun, overseer: Overseer, power: PowerGate | None) -> TurnEnded:
    """Train one run in a child; one that ends its process again and again has failed."""
    resting = False

    def should_stop() -> bool:
        nonlocal resting
        resting = resting or (power is not None and power.closes())
        return resting or overseer.should_stop() or queue.mode == "off"

    folder = Path(run.run)
    try:
        ended = _trained(folder, run, overseer, should_stop)
    except UserError as error:
        return TurnEnded("failed", str(error))
    if ended.end == "stopped" and not should_stop():
        return TurnEnded("held", ended.why)
    if ended.end == "cut_off" and run.is_fruitless:
        return TurnEnded("failed", fruitless(run, ended.why))
    return ended


def _trained(folder: Path, run: QueuedRun, overseer: Overseer, should_stop: Callable[[], bool]) -> TurnEnded:
    """Train a run once nobody else does.

    The child of an earlier turn, whose queue was killed, saves and ends by itself; one that had only just begun may take the
    run's lock between our look and our own child, which is then refused and begins again.
    """
    while wait_until_free(folder, should_stop):
        begun_at = time.time()
        with overseer.turn(run) as hear:
            ended = train_in_child(folder, hear, should_stop)
        if not (ended.refused and _was_taken(folder, begun_at)):
            return ended
    return TurnEnded("stopped")


def _was_taken(folder: Path, since: float) -> bool:
    """Whether another process trains the run, or did since a moment: a child that was refused writes no status."""
    return is_locked(RunPaths(folder).lock) or (read_status(folder).updated or 0.0) > since
