"""Which of several ways to do the same work is the quickest, by a few trials of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: trials of each that count; one before them, which compiles what the others use, does not
COUNTED = 3
#: another way than the usual one must take less than this share of its time
WORTH = 0.95


@dataclass(frozen=True)
class Quickest:
    """The chosen way's number, the least seconds that each way took, and the seconds of all trials together."""

    chosen: int
    least: tuple[float, ...]
    spent: float

    def share(self, usual: int) -> float:
        """The chosen way's time as a share of the usual one's."""
        return self.least[self.chosen] / self.least[usual]


def quickest(ways: Sequence[Callable[[], float]], usual: int, seconds: float) -> Quickest | None:
    """Try `ways`, each of which does its work and says what seconds it took, in turn until about `seconds` are spent.

    None where the time does not suffice to try each twice, which is seen after the first trial. Trials of one round stand
    close together, so that a busy moment of the machine meets all of them; of each the least counts.
    """
    least, spent = [float("inf")] * len(ways), 0.0
    for number in range(1 + COUNTED):
        found = list[float]()
        for way in ways:
            if spent >= seconds:
                return _chosen(least, usual, spent) if number > 1 else None
            found.append(way())
            spent += found[-1]
            if not number and 2 * len(ways) * found[0] > seconds:
                return None
        if number:
            least = [min(pair) for pair in zip(least, found, strict=True)]
    return _chosen(least, usual, spent)


def _chosen(least: list[float], usual: int, spent: float) -> Quickest:
    best = min(range(len(least)), key=lambda way: least[way])
    chosen = best if least[best] < WORTH * least[usual] else usual
    return Quickest(chosen, tuple(least), spent)
