"""All curves of a chart: their colours and signs, made anew with the theme, drawn together."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from ui.theme import current_theme
from ui.widgets.charting.chart_content import ChartContent
from ui.widgets.charting.chart_spec import ChartSpec
from ui.widgets.charting.curve_items import DASHES, CurveItems, Drawing
from ui.widgets.charting.plot_area import PlotArea
from ui.widgets.curves import Floats, Smoother


class CurveSet:
    """`items` are the curves in the order of the chart's lines; what was smoothed outlives them."""

    def __init__(self, area: PlotArea) -> None:
        self._area = area
        self._stacked = False
        self._smoothers: defaultdict[str, Smoother] = defaultdict(Smoother)  # by what is smoothed
        self.items: list[CurveItems] = []

    def make(self, spec: ChartSpec) -> None:
        """Curves for the lines, in the colours of now; the area has none."""
        self._stacked = spec.stacked
        self.items = [
            CurveItems(
                self._area, line, QColor(color), self._smoothers, stacked=spec.stacked, dash=dash_of(place)[0]
            )
            for place, (line, color) in enumerate(zip(spec.lines, colors_of(spec), strict=True))
        ]

    def draw(self, shown: ChartContent, ghost: ChartContent, drawing: Drawing) -> None:
        """What is shown, with another run faintly behind it; shares are stacked and have no other run."""
        below: Floats | None = None
        for curve in self.items:
            if self._stacked:
                below = curve.draw_area(shown.series, drawing, below)
            else:
                curve.draw(shown.series, drawing)
                curve.draw_ghost(ghost.series, replace(drawing, across=ghost.across))


def colors_of(spec: ChartSpec) -> list[str]:
    """The colour of each line, `#rrggbb`; colours repeat."""
    theme = current_theme()
    return [
        theme.color(line.tone).name() if line.tone else theme.curves[place % len(theme.curves)]
        for place, line in enumerate(spec.lines)
    ]


def dash_of(place: int) -> tuple[Qt.PenStyle, str]:
    """How the line at this place is drawn, and the sign for it."""
    return DASHES[place % len(DASHES)]


def legend_of(spec: ChartSpec) -> list[tuple[str, str, str]]:
    """(name, colour, sign) of each line."""
    signs = ("■" if spec.stacked else dash_of(place)[1] for place in range(len(spec.lines)))
    return [
        (line.label, color, sign)
        for line, color, sign in zip(spec.lines, colors_of(spec), signs, strict=True)
    ]
