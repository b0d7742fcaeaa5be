"""A curve's line, which tells its bounds without looking at every point over and over."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyqtgraph as pg

from ui.widgets.curves import Floats

Bounds = tuple[float, float] | tuple[None, None]


class CurveLine(pg.PlotCurveItem):
    """Its places never fall from left to right, and its pen is as wide at every zoom; what is not finite is a gap.

    pyqtgraph looks through all points for each axis and twice for each redraw: 3 of the 10 ms of a redraw of 8 smoothed
    curves and what lies below them (`tests/benchmarks/curve_redraw.py`, 2026-11-30).
    """

    def __init__(self, **looks: Any) -> None:
        self._known: tuple[int, int, Bounds] | None = (
            None  # the first and the last place, and the bounds between them
        )
        super().__init__(connect="finite", **looks)

    def setData(self, *args: Any, **kargs: Any) -> None:
        self._known = None
        super().setData(*args, **kargs)

    def dataBounds(self, ax: int, frac: float = 1.0, orthoRange: Any = None) -> Bounds:
        places, values = cast("tuple[Floats | None, Floats | None]", self.getData())
        if places is None or values is None or not len(places):
            return (None, None)
        if frac < 1.0 or not np.isfinite(places[[0, -1]]).all() or (ax == 0 and orthoRange is not None):
            return cast("Bounds", super().dataBounds(ax, frac, orthoRange))
        if ax == 0:
            return float(places[0]), float(places[-1])
        first, end = 0, len(places)
        if orthoRange is not None and not orthoRange[0] <= places[0] <= places[-1] <= orthoRange[1]:
            first = int(np.searchsorted(places, orthoRange[0], "left"))
            end = int(np.searchsorted(places, orthoRange[1], "right"))
        if self._known is None or self._known[:2] != (first, end):
            self._known = (first, end, bounds_of(values[first:end]))
        return self._known[2]


def bounds_of(values: Floats) -> Bounds:
    """The least and the greatest of the values (N,) that are finite; none where none is."""
    if not len(values):
        return (None, None)
    low, high = float(np.fmin.reduce(values)), float(np.fmax.reduce(values))
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if len(known) else (None, None)
