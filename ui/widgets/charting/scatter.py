"""One completion a dot: a number against another, for what a mean over time cannot show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QFrame, QSizePolicy, QWidget

from droid_tune import words
from ui.theme import current_theme
from ui.widgets.basics import column, label, row
from ui.widgets.charting.plot_area import SIDES, PlotArea
from ui.widgets.charting.plot_parts import TICK_PIXELS, Plot, UnitAxis

#: more dots show nothing more
MOST_DOTS = 2_000
#: dots of few different values would lie on each other: each is moved by this share of the range at most
JITTER = 0.02
#: how far an axis goes to both sides of a value that all dots have
LONE = 0.5


class ScatterChart(QFrame):
    """A card with dots; `show_points` gives them with the names of both axes."""

    def __init__(self, title: str, help: str, parent: QWidget) -> None:  # noqa: A002
        super().__init__(parent)
        self.setProperty("role", "card")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(190)
        self.title = title
        layout = column(self, spacing=4)
        layout.setContentsMargins(12, 10, 10, 6)
        head = row(spacing=8)
        named = label(title, "strong", parent=self)
        named.setToolTip(help)
        self._note = label("", "small", parent=self)
        head.addWidget(named)
        head.addStretch(1)
        head.addWidget(self._note)
        layout.addLayout(head)
        area = self._area = PlotArea(pg.ViewBox(enableMenu=False), UnitAxis("left"), UnitAxis("bottom"))
        self._plot = Plot(area, self)
        self._plot.setAccessibleName(f"Plot: {title}")
        area.box.setMouseEnabled(x=False, y=False)
        area.show_grid(0.16, *SIDES)
        self._dots = pg.ScatterPlotItem(size=6, pen=None)
        area.add(self._dots)
        layout.addWidget(self._plot, 1)
        self._empty = label("No completions at hand", "small", parent=self)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(self._empty, 1)
        self._drawn: tuple[object, ...] = ()
        current_theme().changed.connect(self._retint)
        self._retint()

    def show_points(self, points: Sequence[tuple[float, float]], across: str, up: str, note: str) -> None:
        """(x, y) of each completion, the newest of them; what the axes are called, and which completions these are."""
        shown = points[-MOST_DOTS:]
        mark = (across, up, note, len(points), shown[-1:] and shown[-1])
        if mark == self._drawn:
            return
        self._drawn = mark
        self._plot.setVisible(bool(shown))
        self._empty.setVisible(not shown)
        area = self._area
        area.axes["bottom"].setLabel(across)
        area.axes["left"].setLabel(up)
        self._note.setText(note)
        x, y = (np.array([point[side] for point in shown]) for side in (0, 1))
        self._dots.setData(_apart(x, 0), _apart(y, 1))
        area.box.setRange(xRange=_ends(x), yRange=_ends(y))
        self.setAccessibleName(f"Chart: {self.title}")
        self.setAccessibleDescription(relation(shown, across, up))

    @Slot()
    def _retint(self) -> None:
        theme = current_theme()
        color = QColor(theme.curves[0])
        color.setAlphaF(0.4)
        self._dots.setBrush(color)
        self._plot.setBackground(QColor(theme.tokens.surface))
        font = self.font()
        font.setPixelSize(TICK_PIXELS)
        for axis in self._area.axes.values():
            axis.setTickFont(font)
            axis.setPen(pg.mkPen(theme.tokens.border))
            axis.setTextPen(pg.mkPen(theme.tokens.secondary))


def _apart(values: np.ndarray[Any, Any], side: int) -> np.ndarray[Any, Any]:
    """Moved a little, always alike, so that equal ones are seen as many."""
    if not len(values):
        return values
    span = float(values.max() - values.min()) or 1.0
    return values + JITTER * span * (np.random.default_rng(side).random(len(values)) - 0.5)


def _ends(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """The ends of an axis: whoever moves the dots apart makes no range of one value."""
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - LONE, high + LONE)


def relation(points: Sequence[tuple[float, float]], across: str, up: str) -> str:
    """The dots in a sentence, by Pearson's correlation."""
    if len(points) < 3:
        return "Too few completions to tell."
    x, y = (np.array([point[side] for point in points]) for side in (0, 1))
    if not x.std() or not y.std():
        return f"{across} or {up} is the same in all {words.count(len(points), 'completion')}."
    found = float(np.corrcoef(x, y)[0, 1])
    how = "go together" if found > 0.3 else "go against each other" if found < -0.3 else "hardly go together"
    return f"{across} and {up} {how} (correlation {found:.2f} over {words.count(len(points), 'completion')})."
