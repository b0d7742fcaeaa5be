"""What a chart shows, without a widget: its lines, the values at hand, and what they are drawn over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from droid_tune.runs.series import Series
from ui.widgets.charting.chart_spec import Line
from ui.widgets.charting.chart_words import newest_of, summary_of, told_at
from ui.widgets.charting.scale_across import ScaleAcross


@dataclass
class ChartContent:
    """Its `series` are another's, by name; a line without one is not drawn."""

    lines: tuple[Line, ...]
    series: Mapping[str, Series] = field(default_factory=dict[str, Series])
    across: ScaleAcross = field(default_factory=ScaleAcross)

    @property
    def present(self) -> bool:
        """Whether any line has a value."""
        return any(self.series.get(line.source) for line in self.lines)

    def found(self) -> list[Series]:
        """Every series that is drawn, bands and areas too."""
        names = (name for line in self.lines for name in (line.source, line.band, *line.between))
        return [self.series[name] for name in names if name and name in self.series]

    # --- places across ------------------------------------------------------------------------------------------

    def places_of(self, steps: Sequence[float]) -> list[float]:
        """Where steps stand across."""
        return self.across.place(np.array(steps, dtype=float)).tolist()

    def nearest(self, place: float) -> float | None:
        """The step with a value that is nearest to a place across."""
        x = self.across.step(place)
        points = [found.at(x) for found in self._sources()]
        near = [point[0] for point in points if point is not None]
        return min(near, key=lambda found: abs(found - x)) if near else None

    def neighbour(self, step: int | None, direction: int) -> int | None:
        """The next step with a value (1) or the one before (-1), from the newest on where none is given."""
        steps = sorted({one for found in self._sources() for one in found.steps})
        if not steps:
            return None
        at = steps[-1] if step is None else step
        beyond = [one for one in steps if (one > at if direction > 0 else one < at)]
        return int(beyond[0] if direction > 0 else beyond[-1]) if beyond else None

    def range_of(self, left: float, right: float) -> tuple[int, int]:
        """The first and last step between two places, two of them at least."""
        first, last = (round(self.across.step(place)) for place in (left, right))
        return max(0, first), max(first + 1, last)

    def _sources(self) -> list[Series]:
        found = (self.series.get(line.source) for line in self.lines)
        return [series for series in found if series is not None]

    # --- in words -----------------------------------------------------------------------------------------------

    def told_at(self, step: float) -> str:
        """The values at a step in words: `step 27 · Reward 0.8`."""
        return told_at(self.lines, self.series, step, self.across)

    def newest(self, colors: Sequence[str]) -> str:
        """The newest value of each line as markup, in its colour."""
        return newest_of(self.lines, self.series, colors)

    def summary(self) -> str:
        """All of it in sentences; empty where nothing is drawn."""
        told = (
            summary_of(line.label, line.metric, self.series.get(line.source), self.across)
            for line in self.lines
        )
        return " ".join(filter(None, told))
