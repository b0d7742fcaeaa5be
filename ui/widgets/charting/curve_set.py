"""All curves of a chart: their colours and signs, made anew with the theme, drawn together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from PySide6.QtGui import QColor

from droid_tune.runs.series import Series
from ui.theme import current_theme
from ui.widgets.charting.chart_content import ChartContent
from ui.widgets.charting.chart_spec import ChartSpec
from ui.widgets.charting.curve_items import CurveItems, Drawing
from ui.widgets.charting.curve_signs import SIGNS, CurveSign
from ui.widgets.charting.mark_layer import MarkLayer
from ui.widgets.charting.plot_area import PlotArea
from ui.widgets.curves import Floats, Smoother


class CurveSet:
    """`items` are the curves in the order of the chart's lines, made when they are first drawn (some 3 ms each); what was
    smoothed outlives them."""

    def __init__(self, area: PlotArea, spec: ChartSpec) -> None:
        self._area, self._spec = area, spec
        self._smoothers: defaultdict[str, Smoother] = defaultdict(Smoother)  # by what is smoothed
        self.items: list[CurveItems] = []
        self.layer = MarkLayer()

    def renew(self, spec: ChartSpec) -> None:
        """Other lines, or other colours: the area has no curve any more."""
        self._spec, self.items = spec, []

    def _make(self) -> None:
        spec = self._spec
        self.items = [
            CurveItems(
                self._area, line, QColor(color), self._smoothers, stacked=spec.stacked, sign=sign_of(place)
            )
            for place, (line, color) in enumerate(zip(spec.lines, colors_of(spec), strict=True))
        ]
        self.layer = MarkLayer()
        self._area.add(self.layer, ignore_bounds=True)

    def draw(self, shown: ChartContent, ghost: ChartContent, drawing: Drawing) -> None:
        """What is shown, with another run faintly behind it; shares are stacked and have no other run."""
        if shown.present and not self.items:
            self._make()
        below: Floats | None = None
        for curve in self.items:
            if self._spec.stacked:
                below = curve.draw_area(shown.series, drawing, below)
            else:
                curve.draw(shown.series, drawing)
                curve.draw_ghost(ghost.series, replace(drawing, across=ghost.across))
        self.layer.show_marks([curve.marks for curve in self.items if len(curve.marks.places)])


def colors_of(spec: ChartSpec) -> list[str]:
    """The colour of each line, `#rrggbb`; colours repeat."""
    theme = current_theme()
    return [
        theme.color(line.tone).name() if line.tone else theme.curves[place % len(theme.curves)]
        for place, line in enumerate(spec.lines)
    ]


def sign_of(place: int) -> CurveSign:
    """How the line at this place differs from the others."""
    return SIGNS[place % len(SIGNS)]


def legend_of(
    spec: ChartSpec, curves: Sequence[CurveItems], series: Mapping[str, Series]
) -> list[tuple[str, str, str]]:
    """(name, colour, sign) of each line that has values, as its curve is drawn; `curves` is empty where none is made yet.

    A chart of a single line needs none.
    """
    if len(spec.lines) < 2:
        return []
    restless = [curve.restless for curve in curves] or [False] * len(spec.lines)
    signs = ("■" if spec.stacked else sign_of(place).said(restless=one) for place, one in enumerate(restless))
    return [
        (line.label, color, sign)
        for line, color, sign in zip(spec.lines, colors_of(spec), signs, strict=True)
        if series.get(line.source)
    ]
