"""What a run is to do, before anything of it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from droid_tune.config import RunConfig
from droid_tune.names import LAST


class Span(NamedTuple):
    """In updates: where this session of the run begins and ends, and where the run is planned to end."""

    start: int
    until: int
    total_steps: int


@dataclass(frozen=True)
class Assignment:
    """Train `config` in `folder`: to the planned end, or `further_steps` on from where it stands.

    `checkpoint` is what a run goes on from: `last`, `best`, or the step of one.
    """

    config: RunConfig
    folder: Path
    further_steps: int | None = None
    checkpoint: str = LAST

    def span(self, start: int, planned: int) -> Span:
        """From `start`, where a checkpoint (if there is one) had planned to end at `planned` (else 0).

        Further steps may go past the planned end, which then moves.
        """
        planned = max(planned, self.config.training.iterations)
        if self.further_steps is None:
            return Span(start, planned, planned)
        until = start + self.further_steps
        return Span(start, until, max(planned, until))
