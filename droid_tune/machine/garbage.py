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


_collecting = _Collecting()


def collect() -> None:
    """Free what only refers to itself, such as models that were let go. May be called in any thread."""
    _collecting.by()


def collect_by(collector: Callable[[], object]) -> None:
    """From now on `collector` is asked, in the thread that calls `collect`."""
    _collecting.by = collector
