"""How a person steers a run from another thread (stop, pause, go on), and looks on at other long work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeVar

from droid_tune.errors import Stopped

T = TypeVar("T")

#: between two looks of somebody who waits
_LOOK_S = 0.05


class Control:
    """Flags that the loop looks at between small pieces of work. Every method may be called from any thread.

    `attended`: somebody looks on who can mend what the run meets and then say go on.
    """

    def __init__(self, *, attended: bool = False) -> None:
        self.attended = attended
        self._stop = threading.Event()
        self._running = threading.Event()
        self._running.set()
        self._at_once: list[Callable[[], object]] = []

    def request_stop(self) -> None:
        """Ask for the run to save and end; it also ends a pause."""
        self._stop.set()
        self._running.set()

    def stop_now(self) -> None:
        """The same, for those who cannot wait: what the run has started beside itself is ended at once."""
        self.request_stop()
        for end in list(self._at_once):
            end()

    def on_stop_now(self, end: Callable[[], object]) -> None:
        """`end` is called, from another thread, where somebody cannot wait for the stop."""
        self._at_once.append(end)

    def request_pause(self) -> None:
        """Ask for the run to hold still (memory stays in use) until `resume`."""
        if not self._stop.is_set():
            self._running.clear()

    def resume(self) -> None:
        """Ends a pause; without one nothing happens."""
        self._running.set()

    def stop_requested(self) -> bool:
        """Whether the run is to be saved and ended; safe from any thread."""
        return self._stop.is_set()

    def pause_requested(self) -> bool:
        return not self._running.is_set()

    def pause_point(self) -> None:
        """Called by the loop wherever it may be interrupted: waits out a pause, raises Stopped at a stop."""
        self._running.wait()
        if self._stop.is_set():
            raise Stopped


@dataclass(frozen=True)
class Watch:
    """Who looks on at long work: hears how far it is, and may end it. Called from the thread that works.

    `progress` gets (done, total, what): pieces of whatever is counted, and the file or thing in hand where there is one.
    """

    progress: Callable[[int, int, str], object] | None = None
    should_stop: Callable[[], bool] | None = None
    #: hears of each token that all completions in hand have grown by: (tokens so far, the most there can be)
    token: Callable[[int, int], object] | None = None

    def pause_point(self) -> None:
        """Called by the work wherever it may be ended. Raises `Stopped` where that is wished."""
        if self.should_stop is not None and self.should_stop():
            raise Stopped

    def tell_token(self, at: int, most: int) -> None:
        """A pause point between tokens. Raises `Stopped`."""
        if self.token is not None:
            self.token(at, most)
        self.pause_point()

    def tell(self, done: int, total: int, what: str = "") -> None:
        """A pause point that says how far the work is. Raises `Stopped`."""
        if self.progress is not None:
            self.progress(done, total, what)
        self.pause_point()


#: work that nobody looks on at
UNWATCHED = Watch()

#: a longer gap between two looks at a wait means that this process was suspended meanwhile
_LONGEST_GAP_S = 1.0


class Allowance:
    """Seconds that somebody else may take. Time in which this process was suspended (sleep, SIGSTOP) does not count.

    Whoever waits looks at it several times a second; of a gap between two looks no more than a second is taken off.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._left = seconds
        self._clock = clock
        self._looked = clock()

    def used_up(self) -> bool:
        """A look at it: whether nothing is left."""
        now = self._clock()
        self._left -= min(now - self._looked, _LONGEST_GAP_S)
        self._looked = now
        return self._left <= 0


def waited_for(work: Callable[[], T], watch: Watch) -> T:
    """What `work` gives, or raises, done in a thread of its own that nobody waits for after a stop: for a download.

    Raises `Stopped`.
    """
    done: SimpleQueue[T | BaseException] = SimpleQueue()

    def finish() -> None:
        try:
            done.put(work())
        except BaseException as error:  # raised again by whoever waits
            done.put(error)

    threading.Thread(target=finish, daemon=True).start()
    while True:
        watch.pause_point()
        try:
            found = done.get(timeout=_LOOK_S)
        except Empty:
            continue
        if isinstance(found, BaseException):
            raise found
        return found
