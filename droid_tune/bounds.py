"""How sure a share is that was counted on a few rows: the one owner of confidence bounds."""

from __future__ import annotations

import math
from statistics import NormalDist

#: standard deviations that hold 95 % of a normal distribution
SURE_95 = 1.959963984540054


def wilson(share: float, rows: int, deviations: float = SURE_95) -> tuple[float, float]:
    """Least and most that a share of 1 counted on `rows` rows may truly be, at 95 % (Wilson 1927, without correction).

    The whole of 0 to 1 where there are no rows. It stays inside 0 to 1 and has a width at 0 and 1 too, where the usual
    share ± deviations * sqrt(share * (1 - share) / rows) says that three of three are all there is.
    """
    if rows <= 0:
        return 0.0, 1.0
    square = deviations * deviations
    centre = share + square / (2 * rows)
    reach = deviations * math.sqrt(share * (1 - share) / rows + square / (4 * rows * rows))
    whole = 1 + square / rows
    return max(0.0, (centre - reach) / whole), min(1.0, (centre + reach) / whole)


def fell(before: float, after: float, rows: int) -> bool:
    """Whether a share counted on as many rows twice has fallen by more than chance, at 95 % (Newcombe 1998, on `wilson`).

    For counts that are independent; on the same rows twice it says so later than it might.
    """
    reach = math.hypot(before - wilson(before, rows)[0], wilson(after, rows)[1] - after)
    return before - after > reach


#: of a count that may end early: rows of the first look, by how much each further one has more, and what all looks
#: together may err by
FIRST_LOOK, FURTHER, ERRING = 64, 2, 0.05


def looks(rows: int) -> list[int]:
    """After how many of `rows` rows a count is looked at, whether it may end."""
    found: list[int] = []
    now = FIRST_LOOK
    while now < rows:
        found.append(now)
        now *= FURTHER
    return [*found, rows]


def deviations_of(number: int) -> float:
    """Standard deviations for `wilson` of each of `number` looks that together err in `ERRING` of all cases at most.

    Each look has an equal part of that (Bonferroni), so the bounds hold at whichever of them the count ends.
    """
    return NormalDist().inv_cdf(1 - ERRING / (2 * max(1, number)))
