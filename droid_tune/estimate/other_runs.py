"""Runs that another Droid Tune trains now: what they will take at their worst counts, not what they hold this moment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from droid_tune.machine.host import Host
from droid_tune.machine.pressure import process_bytes
from droid_tune.runs.disk.live_runs import live_runs


@dataclass(frozen=True)
class OtherRun:
    """A run of another process; bytes at its peak, and now. `peak_bytes` is 0 where it has not said it.

    `ends_first`: a child of this process trains it, so that it is over when the run that is estimated begins.
    """

    name: str
    peak_bytes: int
    now_bytes: int
    ends_first: bool = False

    @property
    def still_to_come(self) -> int:
        """What it will take beyond what the system counts already."""
        return -self.now_bytes if self.ends_first else max(0, self.peak_bytes - self.now_bytes)


def other_runs() -> list[OtherRun]:
    """The runs of this computer that other processes train."""
    return [
        OtherRun(run.name, run.peak_bytes, process_bytes(run.process), run.is_ours)
        for run in live_runs()
        if run.process != os.getpid()
    ]


def beside(host: Host, runs: Sequence[OtherRun]) -> Host:
    """The machine as it will be when the other runs are at their peak."""
    later = host.used_by_others_bytes + sum(one.still_to_come for one in runs)
    return replace(host, used_by_others_bytes=max(0, min(host.memory_bytes, later)))
