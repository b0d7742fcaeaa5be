"""How sure a share is that was counted on a few rows: the one owner of confidence bounds."""

from __future__ import annotations

import math

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
