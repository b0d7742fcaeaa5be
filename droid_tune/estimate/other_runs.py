"""Runs that another Droid Tune trains now: what they will take at their worst counts, not what they hold this moment."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from droid_tune.machine.host import Host
from droid_tune.machine.pressure import process_bytes
from droid_tune.paths import RunPaths, runs_dir
from droid_tune.runs.disk.lock import is_locked

#: lines of a run's log in which it says what it will take
_FIRST_LINES = 200


@dataclass(frozen=True)
class OtherRun:
    """A run of another process; bytes at its peak, and now. `peak_bytes` is 0 where it has not said it."""

    name: str
    peak_bytes: int
    now_bytes: int

    @property
    def still_to_come(self) -> int:
        """What it will take beyond what the system counts already."""
        return max(0, self.peak_bytes - self.now_bytes)


def other_runs(folder: Path | None = None) -> list[OtherRun]:
    """The runs in the runs' folder that other processes train."""
    found: list[OtherRun] = []
    for lock in (folder or runs_dir()).glob("*/lock"):
        holder = _holder(lock)
        if holder and holder != os.getpid() and is_locked(lock):
            found.append(OtherRun(lock.parent.name, _foretold(lock.parent), process_bytes(holder)))
    return found


def beside(host: Host, runs: Sequence[OtherRun]) -> Host:
    """The machine as it will be when the other runs are at their peak."""
    more = sum(one.still_to_come for one in runs)
    return replace(host, used_by_others_bytes=min(host.memory_bytes, host.used_by_others_bytes + more))


def _holder(lock: Path) -> int:
    """The process that a lock names, 0 where none does."""
    with suppress(OSError, ValueError):
        return int(lock.read_text(encoding="ascii").strip() or 0)
    return 0


def _foretold(folder: Path) -> int:
    """The peak that the run's last beginning tells of, in its log's first lines."""
    with suppress(OSError), RunPaths(folder).events.open("rb") as lines:
        for _, line in zip(range(_FIRST_LINES), lines, strict=False):
            with suppress(ValueError, LookupError, TypeError, RecursionError, OverflowError):
                event: Any = json.loads(line)
                if event["type"] == "run_started":
                    return int(event["memory"]["estimated_peak_bytes"])
    return 0
