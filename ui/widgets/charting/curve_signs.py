"""How curves of one chart differ besides their colour: by their dashes, or by marks of a shape at some of their points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import Qt

from droid_tune.words import LINE_SIGNS
from ui.widgets.curves import Floats

#: in the order of `LINE_SIGNS`
DASHES = (
    Qt.PenStyle.SolidLine,
    Qt.PenStyle.DashLine,
    Qt.PenStyle.DotLine,
    Qt.PenStyle.DashDotLine,
    Qt.PenStyle.DashDotDotLine,
)
#: shapes as pyqtgraph names them, and how a legend says them
SHAPES = (
    ("o", "●"),
    ("s", "■"),
    ("t1", "▲"),
    ("d", "◆"),
    ("star", "★"),
    ("t", "▼"),
    ("t2", "▶"),
    ("t3", "◀"),
)
#: marks of a curve
MARKS = 7


@dataclass(frozen=True)
class CurveSign:
    """The sign of the curve at a place of its chart."""

    place: int

    @property
    def dash(self) -> Qt.PenStyle:
        """Of its line, where that can be dashed."""
        return DASHES[self.place % len(DASHES)]

    @property
    def shape(self) -> str:
        """Of its marks."""
        return SHAPES[self.place % len(SHAPES)][0]

    @property
    def marked(self) -> bool:
        """Whether its dashes are another curve's already."""
        return self.place >= len(DASHES)

    def said(self, *, restless: bool) -> str:
        """For a legend; `restless` curves have no dashes."""
        dash, shape = LINE_SIGNS[self.place % len(DASHES)], SHAPES[self.place % len(SHAPES)][1]
        return shape if restless else f"{dash} {shape}" if self.marked else dash

    def marks_of(self, places: Floats, values: Floats) -> tuple[Floats, Floats]:
        """Where its marks stand (N,): on the line, evenly far apart, and not where other curves have theirs.

        Half-way between two points: those of a long curve are the least and the greatest value of a bucket in turn.
        """
        if len(values) < 2:
            return places, values
        offset = (self.place % len(SHAPES) + 0.5) / len(SHAPES)
        at = ((np.arange(MARKS) + offset) / MARKS * (len(values) - 1)).astype(np.intp)
        return (places[at] + places[at + 1]) / 2, (values[at] + values[at + 1]) / 2


SIGNS = tuple(CurveSign(place) for place in range(len(DASHES) * len(SHAPES)))
