"""A run's log on disk: events and rollouts, one JSON line each, in the order in which they happened."""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from droid_tune.errors import UserError
from droid_tune.events import ROLLOUTS, TRANSIENT, Event, RunEvent, RunFinished, parse_event
from droid_tune.paths import private_file

E = TypeVar("E", bound=RunEvent)
#: of a log's tail: a run's last event is no longer
_LAST_EVENTS_BYTES = 1 << 16


class LineFile:
    """A file that grows by lines; those that a full disk does not take wait in memory, and none is written twice."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b", buffering=0)
        self.last_seq = last_seq(path)  # of those that were there when it was opened
        self.waiting = bytearray()

    def write(self, line: str) -> None:
        """Append a line with its end, now or when there is room."""
        self.waiting += line.encode()
        with suppress(OSError):
            self.flush()

    def flush(self) -> None:
        """Hand what waits to the system. Raises OSError; what was not taken goes on waiting."""
        while self.waiting:
            del self.waiting[: self._file.write(self.waiting)]

    def sync(self) -> None:
        """Return once all lines are on the medium. Raises OSError."""
        self.flush()
        os.fsync(self._file.fileno())

    def lines_after(self, seq: int) -> Iterator[bytes]:
        """The whole lines of later events, those that wait last; what the medium does not give any more is left out."""
        begun = b""
        with suppress(OSError), os.fdopen(os.dup(self._file.fileno()), "rb") as lines:
            lines.seek(0)
            for line in lines:
                if not line.endswith(b"\n"):
                    begun = line  # its other half waits
                elif _seq_of(line) > seq:
                    yield line
        yield from (line for line in (begun + self.waiting).splitlines(keepends=True) if _seq_of(line) > seq)

    def close(self) -> None:
        """Close the file; what still waits is lost."""
        self._file.close()


class EventLog:
    """Numbers, stamps and appends events to a run's files, each line whole before the next.

    Opening it cuts off a half-written last line (a crash) and goes on counting where the files end; it raises OSError.
    """

    def __init__(self, events: Path, rollouts: Path, run_id: str) -> None:
        self.run_id = run_id
        for file in (events, rollouts):
            private_file(file)
            mend_tail(file)
        self._events = LineFile(events)
        try:
            self._rollouts = LineFile(rollouts)
        except OSError:
            self._events.close()
            raise
        self._seq = max(file.last_seq for file in self._files)

    @property
    def _files(self) -> tuple[LineFile, LineFile]:
        return self._events, self._rollouts

    def take_over(self, before: EventLog) -> None:
        """Go on where `before` stood, a log of the same run in another folder, which may hold more: an older copy of the
        folder was put back. Raises nothing, see `write`."""
        for file, earlier in zip(self._files, before._files, strict=True):
            for line in earlier.lines_after(file.last_seq):
                file.write(line.decode())
        self._seq = max(self._seq, before._seq)

    def write(self, event: E) -> E:
        """The event as it was written: with its number, time and run. Transient ones are only stamped.

        Raises nothing: what the disk does not take is kept and written later, see `sync`.
        """
        self._seq += 1
        stamped = event.model_copy(update={"seq": self._seq, "time": time.time(), "run_id": self.run_id})
        if not isinstance(stamped, TRANSIENT):
            file = self._rollouts if isinstance(stamped, ROLLOUTS) else self._events
            file.write(stamped.model_dump_json() + "\n")
        return stamped

    @property
    def behind(self) -> bool:
        """Whether events wait for the disk to take them."""
        return any(file.waiting for file in self._files)

    def sync(self) -> None:
        """Everything written so far is on the disk when this returns. Raises OSError."""
        for file in self._files:
            file.sync()

    def close(self) -> None:
        """Everything on disk, then both files closed. Raises OSError, after closing them."""
        try:
            self.sync()
        finally:
            self._events.close()
            self._rollouts.close()


@contextmanager
def reading_log(
    file: Path,
    what: str = "The run's log",
    remedy: str = "move it away, and the run does without it",
) -> Generator[None]:
    """Where a run's log (its events, its completions), or `what` else, is read: a system that does not give it is told in a
    sentence, with its `remedy`. Raises UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{what} cannot be read ({error.strerror or error})", place=str(file), remedy=remedy
        ) from error


def replay(events: Path, rollouts: Path, rollout_bytes: int | None = None) -> Iterator[Event]:
    """A run's events and rollouts in the order in which they happened; of the rollouts the last bytes alone, if so asked.

    Raises UserError where one of the files cannot be read.
    """
    with reading_log(rollouts):
        told = _events_in_tail(rollouts, rollout_bytes)
        yield from heapq.merge(read_events(events), told, key=lambda event: event.seq)


def read_events(file: Path) -> Iterator[Event]:
    """The events of a file in order. A line of a newer version or a torn last line is passed over.

    Raises UserError where the file cannot be read.
    """
    with reading_log(file):
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


def last_end(file: Path) -> RunFinished | None:
    """The end that a run told as its last word; None where it told more since, or its log cannot be read."""
    last: Event | None = None
    with suppress(OSError):
        for last in _events_in_tail(file, _LAST_EVENTS_BYTES):  # noqa: B007 - the last one is wanted
            pass
    return last if isinstance(last, RunFinished) else None


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
    """The number of the last event in a file, 0 where there is none. Raises OSError."""
    return max((event.seq for event in _events_in_tail(file, None)), default=0)


def _seq_of(line: bytes) -> int:
    """The number of a line's event, 0 of one that cannot be read."""
    try:
        return parse_event(line).seq
    except ValidationError:
        return 0
