"""The signals that ask a program to end: Ctrl-C, SIGTERM, a closed terminal, a log-out."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

#: how a program that was asked to end says so to whoever started it
STOPPED = 130
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Until `close` the first of them is told (its number); a second Ctrl-C or SIGTERM is the system's own and ends the
    process at once.

    SIGHUP is no person's wish and never counts as one of the two: shell and kernel each send it where a terminal closes, and
    a log-out together with SIGTERM. What the caller had ignored (SIGHUP under `nohup`) stays ignored.
    """

    def __init__(self, first: Callable[[int], object]) -> None:
        self._first, self._last, self._told = first, 0, False
        self._closing = threading.Lock()
        self._before = {number: signal.getsignal(number) for number in STOPPING}
        self._heard = [one for one, handler in self._before.items() if handler is not signal.SIG_IGN]
        self.rearm()

    def rearm(self) -> None:
        """The next one is the first again."""
        self._told = False
        for number in self._heard:
            signal.signal(number, self._hear)

    def repeat(self) -> None:
        """The one that was told last comes once more, from any thread, and ends what the main thread waits for; nothing where
        none was."""
        with self._closing:  # a signal that nobody hears any more would end the process
            if self._last:
                signal.pthread_kill(threading.main_thread().ident or 0, self._last)

    def close(self) -> None:
        """Leave the signals as they were found."""
        with self._closing:
            self._last = 0
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGHUP:
            for one in self._heard:
                signal.signal(one, _pass_over if one == signal.SIGHUP else signal.SIG_DFL)
        self._last = number
        if not self._told:
            self._told = True
            self._first(number)


def _pass_over(_number: int, _frame: FrameType | None) -> None:
    """It was heard before. (SIG_IGN would be inherited by children.)"""
