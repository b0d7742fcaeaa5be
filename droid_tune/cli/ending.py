"""How a command ends: its exit code, and what Ctrl-C, SIGTERM, SIGHUP, a terminal or a pipe that closes make of it."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from droid_tune.cli.output import say, silence, terminals
from droid_tune.machine.stop_signals import STOPPED, StopSignals

if TYPE_CHECKING:
    from collections.abc import Callable

    from droid_tune.control import Control

_MOMENT_S = 0.001
DONE, FAILED, WRONG_USAGE = 0, 1, 2


@contextmanager
def stopping_gracefully(control: Control, what: str = "the run is being saved") -> Generator[None]:
    """The first Ctrl-C, SIGTERM or closed terminal asks the work to end, which looks at `control`; the second ends the
    process at once. `what` is said then."""

    def first() -> None:
        control.request_stop()
        say(f"stopping: {what}; Ctrl-C again quits at once")

    with _heard(first):
        yield


@contextmanager
def unwinding() -> Generator[None]:
    """The first of the signals is a KeyboardInterrupt wherever the command is, so that on the way out folders are removed
    and children ended; for all that no `control` is looked at."""

    def first() -> None:
        raise KeyboardInterrupt

    with _heard(first) as signals, _raised_anew(signals):
        yield


@contextmanager
def _heard(first: Callable[[], object]) -> Generator[StopSignals]:
    """`first` hears of the first signal, once nothing can fail any more for a terminal that is gone."""
    seen = terminals()

    def hear(number: int) -> None:
        if number == signal.SIGHUP:
            for stream in seen:
                silence(stream)
        first()

    signals = StopSignals(hear)
    try:
        yield signals
    finally:
        signals.close()


@contextmanager
def _raised_anew(signals: StopSignals) -> Generator[None]:
    """A KeyboardInterrupt that Python dropped, since it came while an object was thrown away, is raised a moment later."""
    before, dropping = sys.unraisablehook, False

    def drop(what: sys.UnraisableHookArgs) -> None:
        nonlocal dropping
        if what.exc_type is not KeyboardInterrupt:
            before(what)
            return
        dropping = True
        threading.Thread(target=again, daemon=True).start()
        signals.rearm()
        dropping = False  # the last thing: here an interrupt would be dropped again

    def again() -> None:
        while dropping:
            time.sleep(_MOMENT_S)
        signals.repeat()

    sys.unraisablehook = drop
    try:
        yield
    finally:
        sys.unraisablehook = before


def written_out(code: int) -> int:
    """The exit code once all that was printed is out. `code` 0 becomes 130 where the reader has left meanwhile (`| head`).

    Raises OSError where stdout takes nothing for another reason, a full disk say; then nothing more is tried.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
        return code or STOPPED
    except OSError:
        silence(sys.stdout)
        raise
    return code
