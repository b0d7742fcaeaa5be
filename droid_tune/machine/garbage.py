"""Who looks for Python's garbage: whoever asks, unless a window wants it done in its own thread.

A collection destroys what it finds in the thread that it runs in, whichever thread that was made in. Parts of a window
must not end in the engine's.
"""

from __future__ import annotations

import gc
from collections.abc import Callable


class _Collecting:
    def __init__(self) -> None:
        self.by: Callable[[], object] = gc.collect
        self.passing_over: Callable[[], object] | None = None


_collecting = _Collecting()


def collect() -> None:
    """Free what only refers to itself, such as models that were let go. May be called in any thread."""
    _collecting.by()


def libraries_are_read() -> None:
    """The first model is about to be read: what lives now stays to the end, and need not be looked at again.

    Heard once by a window, which counts milliseconds; later there may be models that are to be given back.
    """
    passing_over, _collecting.passing_over = _collecting.passing_over, None
    if passing_over is not None:
        passing_over()


def collect_by(collector: Callable[[], object], passing_over: Callable[[], object] | None = None) -> None:
    """From now on `collector` is asked, in the thread that calls `collect`; `passing_over` with `libraries_are_read`."""
    _collecting.by, _collecting.passing_over = collector, passing_over
