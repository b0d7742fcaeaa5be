"""Many questions to a slow answerer, several at a time, in threads that nobody waits for once the person stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from droid_tune.control import Watch

Question = TypeVar("Question")
Answer = TypeVar("Answer")

_LOOK_S = 0.1
_LONGEST_GAP_S = 1.0  # a longer one between two looks means that this process was suspended


class Lookout:
    """Notices between two looks that the machine slept, and calls `suspended` then."""

    def __init__(self, suspended: Callable[[], object], clock: Callable[[], float]) -> None:
        self._suspended, self._clock, self._looked = suspended, clock, clock()

    def look(self) -> None:
        """Called several times a second."""
        before, self._looked = self._looked, self._clock()
        if self._looked - before > _LONGEST_GAP_S:
            self._suspended()


def answers(
    questions: Sequence[Question],
    ask: Callable[[Question], Answer],
    *,
    at_once: int,
    watch: Watch,
    suspended: Callable[[], object],
    clock: Callable[[], float] = time.monotonic,
) -> list[Answer]:
    """`ask` of each question, in order. Raises Stopped at once: what is under way ends by itself, unheard.

    `suspended` is called where the machine slept meanwhile.
    """
    waiting: SimpleQueue[tuple[int, Question]] = SimpleQueue()
    heard: SimpleQueue[tuple[int, Answer | BaseException]] = SimpleQueue()
    for numbered in enumerate(questions):
        waiting.put(numbered)
    for _ in range(min(at_once, len(questions))):
        threading.Thread(target=_work, args=(waiting, heard, ask), name="judge", daemon=True).start()
    try:
        found = _collect(len(questions), heard, watch, Lookout(suspended, clock))
    finally:
        _drop(waiting)
    return [found[place] for place in range(len(questions))]


def _work(
    waiting: SimpleQueue[tuple[int, Question]],
    heard: SimpleQueue[tuple[int, Answer | BaseException]],
    ask: Callable[[Question], Answer],
) -> None:
    while True:
        try:
            place, question = waiting.get_nowait()
        except Empty:
            return
        try:
            heard.put((place, ask(question)))
        except BaseException as error:  # raised again by whoever waits
            heard.put((place, error))


def _collect(
    count: int,
    heard: SimpleQueue[tuple[int, Answer | BaseException]],
    watch: Watch,
    lookout: Lookout,
) -> dict[int, Answer]:
    found: dict[int, Answer] = {}
    while len(found) < count:
        watch.pause_point()
        lookout.look()
        try:
            place, answer = heard.get(timeout=_LOOK_S)
        except Empty:
            continue
        if isinstance(answer, BaseException):
            raise answer
        found[place] = answer
    return found


def _drop(waiting: SimpleQueue[tuple[int, Question]]) -> None:
    """What nobody has begun with is not asked any more."""
    while not waiting.empty():
        try:
            waiting.get_nowait()
        except Empty:
            return
