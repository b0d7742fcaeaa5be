"""One thread at a time uses MLX: a run, the playground's answer, the signal check, rewards that ask a model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

#: held by the thread that uses MLX: a run waits for the playground's token or the check's, they wait for a run
_TURN = threading.Lock()
_LOOK_S = 0.1


@contextmanager
def taking_turns(gone: Callable[[], bool] = bool, waits: Callable[[], object] = bool) -> Generator[bool]:
    """Inside, no other thread uses MLX; False where whoever asked went away while it waited for that. `waits` is called
    once where it has to wait."""
    taken = _TURN.acquire(blocking=False)
    if not taken:
        waits()
        while not taken and not gone():
            taken = _TURN.acquire(timeout=_LOOK_S)
        if taken and gone():  # the turn came to somebody who left while it came
            _TURN.release()
            taken = False
    try:
        yield taken
    finally:
        if taken:
            _TURN.release()
