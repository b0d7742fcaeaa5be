"""How long things are: bars of counts over tokens, with the limits drawn in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Slot
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import QFrame, QSizePolicy, QWidget

from droid_tune import words
from droid_tune.data.statistics import Lengths
from ui.theme import current_theme
from ui.widgets.axis_texts import round_ticks
from ui.widgets.basics import column, label, row
from ui.widgets.charting.plot_area import PlotArea
from ui.widgets.charting.plot_parts import Plot

#: a limit this many times beyond the longest row is said, not drawn: it would squeeze the bars
FAR = 1.6
#: a card that has no room for the numbers beside its title
NARROW = 350


@dataclass(frozen=True)
class Limit:
    """`tokens` beyond which something happens, in a few words."""

    tokens: int
    words: str


class _Ticks(pg.AxisItem):
    """Whole numbers."""

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        most = max(2, size / (70 if self.orientation == "bottom" else 32))
        return round_ticks(max(0.0, minVal), maxVal, most, least=1.0)

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [f"{value:,.0f}" for value in values]


class Histogram(QFrame):
    """A card with the distribution of one length; the summary says it in words."""

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(130)
        self._title = title
        self._lengths: Lengths | None = None
        self._limit: Limit | None = None
        self._empty = ""
        layout = column(self, spacing=4)
        layout.setContentsMargins(12, 10, 12, 6)
        head = row(spacing=8)
        head.addWidget(label(title, "strong", parent=self))
        head.addStretch(1)
        self._value = label("", "small", parent=self)
        head.addWidget(self._value)
        layout.addLayout(head)
        self._words = label("", "small", parent=self, wrap=True)
        layout.addWidget(self._words)
        left, bottom = _Ticks("left"), _Ticks("bottom")
        area = self._area = PlotArea(pg.ViewBox(enableMenu=False), left, bottom)
        self._plot = Plot(area, self)
        area.box.setMouseEnabled(x=False, y=False)
        left.setWidth(46)
        bottom.setHeight(20)
        for axis in (left, bottom):
            axis.setStyle(tickLength=0, tickTextOffset=6, autoExpandTextSpace=False)
        layout.addWidget(self._plot, 1)
        layout.addStretch(0)
        current_theme().changed.connect(self._draw)
        self._draw()

    def show_lengths(self, lengths: Lengths | None, limit: Limit | None, empty: str = "") -> None:
        """`empty` is said where there is nothing to draw."""
        self._empty = empty
        self._lengths = lengths if lengths is not None and lengths.counted else None
        self._limit = limit
        self._draw()

    def summary(self) -> str:
        """The distribution in words, for VoiceOver."""
        one = self._lengths
        if one is None:
            return f"{self._title}: nothing to measure."
        longest = words.count(one.longest, "token")
        said = f"{self._title}: median {one.median:,}, 95 of 100 up to {one.p95:,}, longest {longest}."
        return f"{said} {self._limit_words()}".strip()

    def _limit_words(self) -> str:
        return "" if self._limit is None else f"Limit {self._limit.tokens:,}: {self._limit.words}."

    @Slot()
    def _draw(self) -> None:
        theme, one = current_theme(), self._lengths
        self._area.clear()
        self._plot.setBackground(QColor(theme.tokens.surface))
        for side, axis in self._area.axes.items():
            axis.setPen(pg.mkPen(theme.tokens.border if side == "bottom" else "#00000000"))
            axis.setTextPen(pg.mkPen(theme.tokens.secondary))
            axis.setTickFont(_small(self))
        self._plot.setVisible(one is not None)
        self._write()
        self.setAccessibleName(self.summary())
        self._plot.setAccessibleName(self.summary())
        if one is not None:
            self._draw_bars(one)

    def _write(self) -> None:
        """The numbers stand beside the title, or below it where the card is narrow."""
        one = self._lengths
        if one is None:
            self._value.setText("")
            self._words.setText(self._empty)
            return
        numbers = f"median {one.median:,} · 95% {one.p95:,} · longest {one.longest:,}"
        narrow = self.width() < NARROW
        self._value.setText("" if narrow else numbers)
        self._words.setText(f"{numbers}\n{self._limit_words()}".strip() if narrow else self._limit_words())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._write()

    def _draw_bars(self, one: Lengths) -> None:
        theme = current_theme()
        counts = np.array(one.counts, float)
        left = np.arange(len(counts)) * one.bin_width
        if one.bin_width == 1:  # each bar is one number: it stands over it
            left -= 0.45
        bar = pg.BarGraphItem(
            x0=left, width=one.bin_width * 0.9, height=counts, brush=theme.curves[0], pen=pg.mkPen(None)
        )
        self._area.add(bar)
        right = float(one.longest + one.bin_width)
        limit = self._limit
        if limit is not None and limit.tokens <= FAR * one.longest:
            mark = pg.InfiniteLine(limit.tokens, angle=90, pen=pg.mkPen(theme.tokens.bad, width=2))
            self._area.add(mark)
            right = max(right, limit.tokens * 1.04)
        self._area.box.setRange(
            xRange=(min(0.0, float(left[0])), right), yRange=(0, max(1.0, counts.max() * 1.06)), padding=0
        )


def _small(widget: QWidget) -> Any:
    font = widget.font()
    font.setPixelSize(11)
    return font
