"""What every tracker is: something that takes a run's numbers by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class TrackedRun:
    """Whose numbers they are. `config` is the resolved one, as JSON values."""

    id: str
    name: str
    folder: Path
    project: str
    config: Mapping[str, Any]


class Tracker(Protocol):
    """One program's series of one run. Any of its errors is told once and ends it; the run goes on."""

    def open(self, run: TrackedRun) -> None:
        """Begin with no numbers: what an earlier session wrote of this run is taken back first."""
        ...

    def log(self, step: int, values: Mapping[str, float], at: float) -> None:
        """Numbers by catalogue name after `step` updates, told at a time in seconds since 1970. Steps never fall."""
        ...

    def close(self) -> None:
        """Nothing more comes; everything is on the disk when this returns."""
        ...
