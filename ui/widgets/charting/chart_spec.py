"""What a chart shows, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One curve. `points` draws markers as well (few, exact values); `band` names the series of its spread.

    `bounds` name the series of the least and the greatest value that occurred, which the band never leaves.
    `between` names two series that bound an area of their own, drawn softly (percentiles).
    """

    metric: str
    label: str
    points: bool = False
    band: str = ""
    bounds: tuple[str, str] = ("", "")
    between: tuple[str, str] = ("", "")
    key: str = ""  # of the series where it is not the metric's name (compared runs)
    tone: str = ""  # a colour of the theme in place of its turn among the curves' colours
    near: bool = False  # beside the cursor the value nearest to it is told (compared runs)
    untrained: bool = False  # its value before the first step is drawn through as a dotted line

    @property
    def source(self) -> str:
        """The key of its series."""
        return self.key or self.metric


@dataclass(frozen=True)
class ChartSpec:
    """What a chart shows; `stacked` lines are shares that are laid on top of each other as areas."""

    title: str
    lines: tuple[Line, ...]
    help: str = ""
    empty: str = "No values yet"
    stacked: bool = False
