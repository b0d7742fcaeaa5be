"""Workers that were asked to end and end when they can. Nothing in the GUI thread waits for one while a window is open."""

from __future__ import annotations

import time
from functools import partial

from PySide6.QtCore import QThread, QThreadPool


class Lingering:
    """Holds threads and pools whose owners went away, until each has ended."""

    def __init__(self) -> None:
        self._threads: list[QThread] = []
        self._pools: list[QThreadPool] = []

    def keep(self, thread: QThread) -> None:
        """Hold on to a thread that was asked to end; it is deleted as soon as it has."""
        if thread in self._threads:
            return
        thread.setParent(None)
        self._threads.append(thread)
        thread.finished.connect(partial(self._gone, thread))
        if thread.isFinished():
            self._gone(thread)

    def keep_pool(self, pool: QThreadPool) -> None:
        """What waits in the pool is dropped, what runs may end; destroying a pool would wait for it."""
        pool.clear()
        pool.setParent(None)
        self._pools = [one for one in self._pools if one.activeThreadCount()] + [pool]

    def see_off(self, seconds: float) -> bool:
        """At the very end of the application, its windows closed: whether all ended within `seconds`."""
        end = time.monotonic() + seconds
        pools = [*self._pools, QThreadPool.globalInstance()]
        ended = [thread.wait(_left(end)) for thread in list(self._threads)]
        return all(ended + [pool.waitForDone(_left(end)) for pool in pools])

    def _gone(self, thread: QThread) -> None:
        if thread in self._threads:
            self._threads.remove(thread)
            thread.deleteLater()


def _left(end: float) -> int:
    """Milliseconds until `end`, by the monotonic clock."""
    return max(0, round(1000 * (end - time.monotonic())))


#: those of this process
LINGERING = Lingering()
