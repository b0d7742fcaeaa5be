"""The area between two edges of a chart, as one path.

pyqtgraph's item makes its path anew with each edge that changes, and by Python's lists of points: 11 ms for 400 of them, twice
a drawing, where Qt joins two paths in 0.1 (measured 2026-11-30).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg


class SoftBand(pg.FillBetweenItem):
    """Between `low` and `high`, whose values change together: `updatePath` once both have theirs."""

    def __init__(self, low: Any, high: Any, brush: Any) -> None:
        self._edges = (low, high)
        super().__init__(low, high, brush=brush)

    def curveChanged(self) -> None:
        """Not yet: the other edge follows."""

    def updatePath(self) -> None:
        low, high = self._edges
        known = [edge.getData()[1] for edge in self._edges]
        if any(values is None or not np.isfinite(values).all() for values in known):
            super().updatePath()  # in pieces
            return
        path = pg.QtGui.QPainterPath(low.getPath())
        path.connectPath(high.getPath().toReversed())
        self.setPath(path)
