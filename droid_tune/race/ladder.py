"""Successive halving: how far each rung goes, and which half climbs on.

Jamieson and Talwalkar 2016 give every rung the same work by doubling its length as half of the runs leave. Here each rung is
three times as long as the one before, because the first updates tell least for their price; three rungs of 4 or 8 runs then
take 39 % of the grid's steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from droid_tune.errors import UserError

#: a rung ends at so many times the steps of the one before
LENGTHENING = 3


@dataclass(frozen=True)
class Ladder:
    """In updates: where the rungs end, the last at the run's end, and how far apart the runs are evaluated."""

    ends: tuple[int, ...]
    every: int

    def climbing(self, runs: int) -> tuple[int, ...]:
        """How many of the runs there are on each rung."""
        counts = [runs]
        for _ in self.ends[1:]:
            counts.append(max(1, counts[-1] // 2))
        return tuple(counts)

    def steps(self, runs: int) -> int:
        """What the race takes in all; the grid takes `runs` times the last end."""
        starts = (0, *self.ends)
        return sum(
            count * (end - start)
            for count, start, end in zip(self.climbing(runs), starts, self.ends, strict=False)
        )


def ladder_of(steps: int, rungs: int, every: int) -> Ladder:
    """Rungs for runs of `steps` updates that are evaluated after `every` of them (0: at their end alone).

    Every rung but the last ends at an evaluation: the spacing becomes the longest that divides them and is not above `every`.
    Raises UserError where so many rungs do not fit.
    """
    first = round(steps / LENGTHENING ** (rungs - 1))
    looks = math.ceil(first / every) if every else 1
    spacing = first // max(1, looks)
    if spacing < 1:
        raise UserError(
            f"{rungs} rungs do not fit into {steps:,} steps: the first would have none",
            remedy=f"take fewer rungs, or {LENGTHENING ** (rungs - 1):,} steps at least",
        )
    ends = [spacing * looks * LENGTHENING**rung for rung in range(rungs - 1)]
    return Ladder((*ends, steps), spacing)


#: what a run was worth at the end of a rung: held-out accuracy (of answers, or of pairs), held-out reward, mean reward of
#: the rung's own updates, and the negative held-out loss; None where the run does not tell it
Standing = tuple[float | None, ...]


def best_first(standings: Mapping[str, Standing | None]) -> list[str]:
    """The runs from best to worst; equal ones in their given order. None is a run that failed: it is last."""

    def height(name: str) -> tuple[float, ...]:
        standing = standings[name]
        if standing is None:
            return (-math.inf,)
        return (0.0, *(-math.inf if value is None else value for value in standing))

    return sorted(standings, key=height, reverse=True)
