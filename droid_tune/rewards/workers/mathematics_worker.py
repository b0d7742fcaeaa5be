"""Child: are two expressions mathematically equal? Computer algebra may take for ever: a comparison has so much of the
processor's time, which does not pass while others are at work, and the parent holds a watch besides.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from droid_tune.rewards.workers.protocol import Message, serve


class OutOfTimeError(BaseException):
    """The processor's time is used up. No `except Exception` of a library may take it for its own."""


@contextmanager
def processor_time(seconds: float) -> Generator[None]:
    """Inside, so many seconds of the processor may pass (in Python's own steps; a single long one is the parent's)."""

    def end(*_: Any) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def equal(answer: str, reference: str) -> bool:
    """math-verify's verdict on two LaTeX expressions. False where either text is no expression."""
    from math_verify import parse, verify

    # Its own time-outs are alarms (SIGALRM): by the clock, and a right answer would be wrong on a busy machine.
    sides = [
        parse(f"${text.strip().strip('$')}$", fallback_mode="no_fallback", parsing_timeout=0)
        for text in (reference, answer)
    ]
    return all(sides) and bool(verify(sides[0], sides[1], timeout_seconds=None, allow_set_relation_comp=True))


def handle(request: Message) -> Message:
    """Answers one request: whether two expressions are equal. `warm_up` loads what that needs."""
    if "warm_up" in request:
        return {"equal": equal("x+1", "1+x")}
    try:
        with processor_time(request["seconds"]):
            return {"equal": equal(request["answer"], request["reference"])}
    except OutOfTimeError:
        return {"equal": False}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    serve(handle)
