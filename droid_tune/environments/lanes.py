"""Several child processes side by side, each with a thread that asks it one thing after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from droid_tune.control import UNWATCHED, Watch
from droid_tune.errors import Stopped
from droid_tune.rewards.children.process import Child, ChildError

Given = TypeVar("Given")
Job = tuple[Callable[[Child], Any], "Future[Any]"]

_LOOK_S = 0.005
_GOODBYE_S = 5.0


class Lane:
    """One child and the thread that talks to it. Its jobs are done in the order in which they came."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        #: jobs that are not done, and episodes that stay here
        self.waiting = 0
        self.bound = 0
        self._counting = threading.Lock()

    def put(self, job: Callable[[Child], Given]) -> Future[Given]:
        """Have `job` done; what it raises is raised again by the future's `result`."""
        future: Future[Given] = Future()
        with self._counting:
            self.waiting += 1
        self._jobs.put((job, future))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="environment", daemon=True)
            self._thread.start()
        return future

    def bind(self, change: int) -> None:
        """Count the episodes that stay here up, or down."""
        with self._counting:
            self.bound += change

    def _work(self) -> None:
        while (next_one := self._jobs.get()) is not None:
            job, future = next_one
            try:
                if self._closed:
                    raise Stopped
                future.set_result(job(self._child))
            except BaseException as error:  # raised again by whoever waits
                future.set_exception(error)
            finally:
                with self._counting:
                    self.waiting -= 1
        self._child.close()

    def close(self) -> None:
        """End the child; jobs that wait are not begun."""
        self._closed = True
        if self._thread is None:
            self._child.close()
            return
        self._child.end_now()
        self._jobs.put(None)

    def join(self) -> None:
        """Wait until the child is gone."""
        if self._thread is not None:
            self._thread.join(_GOODBYE_S)


class Lanes:
    """At most `count` lanes, begun as they are needed."""

    def __init__(self, make: Callable[[], Child], count: int) -> None:
        self._make, self._count = make, count
        self._lanes: list[Lane] = []

    def pick(self) -> Lane:
        """One with nothing to do, a new one while there may be more, else the one with the least to do."""
        least = min(self._lanes, key=_load, default=None)
        if least is not None and (_load(least) == (0, 0) or len(self._lanes) >= self._count):
            return least
        self._lanes.append(Lane(self._make()))
        return self._lanes[-1]

    def start(self, count: int, watch: Watch) -> None:
        """Have so many children (`count` at most) started side by side, and wait for them: one that cannot start is told
        by the first job that needs it. Raises Stopped."""
        while len(self._lanes) < min(count, self._count):
            self._lanes.append(Lane(self._make()))
        for coming in [Coming(lane.put(lambda child: child.start()), watch) for lane in self._lanes]:
            with suppress(ChildError):
                coming.result()

    def close(self) -> None:
        """End all children."""
        for lane in self._lanes:
            lane.close()
        for lane in self._lanes:
            lane.join()
        self._lanes.clear()


def _load(lane: Lane) -> tuple[int, int]:
    return lane.bound, lane.waiting


@dataclass(frozen=True)
class Coming(Generic[Given]):
    """An answer that a lane is at work on (`episode.Handle`)."""

    future: Future[Given]
    watch: Watch

    def ready(self) -> bool:
        """Whether `result` returns at once."""
        return self.future.done()

    def result(self) -> Given:
        """Waits for it. Raises Stopped when the person stops."""
        while not self.future.done():
            self.watch.pause_point()
            time.sleep(_LOOK_S)
        return self.future.result()


@dataclass(frozen=True)
class ReadyAnswer(Generic[Given]):
    """An answer that is there already."""

    value: Given

    def ready(self) -> bool:
        return True

    def result(self) -> Given:
        return self.value


class Then(Generic[Given]):
    """What is made of an answer once it is there, by whoever asks for it, once."""

    def __init__(self, coming: Coming[Any], make: Callable[[Any], Given]) -> None:
        self._coming, self._make = coming, make
        self._made: list[Given] = []

    def ready(self) -> bool:
        """Whether `result` returns at once."""
        return self._coming.ready()

    def result(self) -> Given:
        """Waits for the answer. Raises Stopped when the person stops."""
        if not self._made:
            self._made.append(self._make(self._coming.result()))
        return self._made[0]


def failing(error: Exception) -> Coming[Any]:
    """An answer that raises."""
    future: Future[Any] = Future()
    future.set_exception(error)
    return Coming(future, UNWATCHED)
