"""Which runs are trained on this computer now, wherever their folders are: a file for each in the home folder."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from uuid import uuid4

from droid_tune.errors import UserError
from droid_tune.events import Event, RunStarted
from droid_tune.machine.named_process import is_of_this_computer, still_lives, this_process
from droid_tune.paths import live_runs_dir, private_folder
from droid_tune.runs.disk.durable import clear_unfinished, write_text

#: processes that train for this one, which begins no other run before theirs has ended
_OUR_CHILDREN: set[int] = set()


@dataclass(frozen=True)
class LiveRun:
    """A run that a process trains; `peak_bytes` is what it said it will take at its worst, 0 before it has."""

    name: str
    process: int
    peak_bytes: int

    @property
    def is_ours(self) -> bool:
        """Whether a child of this process trains it."""
        return self.process in _OUR_CHILDREN


class LiveListener:
    """A run's listener that lets other processes know of the run as long as it is entered.

    It is for their forecasts alone: a disk that takes no file stops nothing.
    """

    def __init__(self, folder: Path, listener: Callable[[Event], None]) -> None:
        self._name, self._listener = folder.name, listener
        self._file = live_runs_dir() / f"{uuid4().hex}.json"

    def __enter__(self) -> Self:
        self._write(0)
        return self

    def __call__(self, event: Event) -> None:
        """Write down the peak that the run expects, and tell the listener."""
        if isinstance(event, RunStarted) and event.memory is not None:
            self._write(event.memory.estimated_peak_bytes)
        self._listener(event)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _write(self, peak_bytes: int) -> None:
        said = {**this_process(), "name": self._name, "peak_bytes": peak_bytes}
        with contextlib.suppress(OSError, UserError):
            private_folder(self._file.parent)
            write_text(self._file, json.dumps(said))


@contextmanager
def trains_for_us(process: int) -> Generator[None]:
    """Inside, a run of this child is one that ends before this process begins another."""
    _OUR_CHILDREN.add(process)
    try:
        yield
    finally:
        _OUR_CHILDREN.discard(process)


def live_runs() -> list[LiveRun]:
    """All of this computer, this process's own among them; the files of killed processes are removed."""
    clear_unfinished(live_runs_dir())
    return [run for file in sorted(live_runs_dir().glob("*.json")) if (run := _read(file)) is not None]


def _read(file: Path) -> LiveRun | None:
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        said: Any = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(said, dict) or not is_of_this_computer(named := cast("dict[str, Any]", said)):
            return None
        if still_lives(named):
            return LiveRun(str(named["name"]), int(named["pid"]), int(named["peak_bytes"]))
        file.unlink(missing_ok=True)
    return None
