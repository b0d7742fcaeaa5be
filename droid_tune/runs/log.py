"""A run's log on disk: events and rollouts, one JSON line each, in the order in which they happened."""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TypeVar

from pydantic import ValidationError

from droid_tune.events import ROLLOUTS, TRANSIENT, Event, RunEvent, parse_event
from droid_tune.paths import private_file

E = TypeVar("E", bound=RunEvent)


class EventLog:
    """Numbers, stamps and appends events to a run's files, each line whole before the next.

    Opening it cuts off a half-written last line (a crash) and goes on counting where the files end.
    """

    def __init__(self, events: Path, rollouts: Path, run_id: str) -> None:
        self.run_id = run_id
        self._seq = 0
        for file in (events, rollouts):
            private_file(file)
            mend_tail(file)
            self._seq = max(self._seq, last_seq(file))
        self._events: IO[str] = events.open("a", encoding="utf-8", newline="\n")
        self._rollouts: IO[str] = rollouts.open("a", encoding="utf-8", newline="\n")

    def write(self, event: E) -> E:
        """The event as it was written: with its number, time and run. Transient ones are only stamped."""
        self._seq += 1
        stamped = event.model_copy(update={"seq": self._seq, "time": time.time(), "run_id": self.run_id})
        if not isinstance(stamped, TRANSIENT):
            file = self._rollouts if isinstance(stamped, ROLLOUTS) else self._events
            file.write(stamped.model_dump_json() + "\n")
            file.flush()
        return stamped

    def sync(self) -> None:
        """Everything written so far is on the disk when this returns."""
        for file in (self._events, self._rollouts):
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Everything on disk, then both files closed."""
        self.sync()
        self._events.close()
        self._rollouts.close()


def replay(events: Path, rollouts: Path, rollout_bytes: int | None = None) -> Iterator[Event]:
    """A run's events and rollouts in the order in which they happened; of the rollouts the last bytes alone, if so asked."""
    told = read_events(rollouts) if rollout_bytes is None else _events_in_tail(rollouts, rollout_bytes)
    yield from heapq.merge(read_events(events), told, key=lambda event: event.seq)


def read_events(file: Path) -> Iterator[Event]:
    """The events of a file in order. A line of a newer version or a torn last line is passed over."""
    yield from _events_in_tail(file, None)


def _events_in_tail(file: Path, most_bytes: int | None) -> Iterator[Event]:
    """Of the last bytes from a whole line on; None: of all."""
    try:
        lines = file.open("rb")
    except FileNotFoundError:
        return
    with lines:
        size = lines.seek(0, os.SEEK_END)
        start = 0 if most_bytes is None else max(0, size - most_bytes)
        lines.seek(start)
        if start:
            lines.readline()  # begins in the middle
        for line in lines:
            try:
                yield parse_event(line)
            except ValidationError:
                continue


def mend_tail(file: Path) -> None:
    """Cut a last line that was never finished, so that the next one starts a line of its own."""
    if not file.exists():
        return
    with file.open("rb+") as handle:
        size = handle.seek(0, os.SEEK_END)
        position = size
        while position > 0:
            step = min(65536, position)
            handle.seek(position - step)
            end = handle.read(step).rfind(b"\n")
            if end >= 0:
                position = position - step + end + 1
                break
            position -= step
        if position < size:
            handle.truncate(position)


def last_seq(file: Path) -> int:
    """The number of the last event in a file, 0 where there is none."""
    last = 0
    for event in read_events(file):
        last = max(last, event.seq)
    return last
