"""A plot's box with an axis at its left and one below.

pyqtgraph's own `PlotItem` makes 50 widgets of a menu with each plot, which nobody sees here: they took half of the time of a
chart's making, and every switch of the theme dressed them anew.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import pyqtgraph as pg
from PySide6.QtWidgets import QGraphicsGridLayout

from ui.widgets.charting.curve_line import CurveLine

Side = Literal["left", "bottom"]
SIDES: tuple[Side, ...] = ("left", "bottom")


class PlotArea(pg.GraphicsWidget):
    """What is drawn is added to it; `box` shows it, `axes` tell where it is."""

    def __init__(self, box: Any, left: Any, bottom: Any) -> None:
        super().__init__()
        self.box = box
        self.axes: dict[Side, Any] = {"left": left, "bottom": bottom}
        self._items: list[Any] = []
        grid = QGraphicsGridLayout()
        grid.setContentsMargins(1, 6, 1, 1)  # above, room for half of the text of the topmost tick
        grid.setSpacing(0)
        self.setLayout(grid)
        grid.addItem(left, 0, 0)
        grid.addItem(box, 0, 1)
        grid.addItem(bottom, 1, 1)
        grid.setRowStretchFactor(0, 100)
        grid.setColumnStretchFactor(1, 100)
        for axis in self.axes.values():
            axis.linkToView(box)
            axis.setZValue(0.5)  # its lines are over the box's ground

    def add(self, item: Any, *, ignore_bounds: bool = False) -> None:
        """Show an item; `ignore_bounds`: the box makes no room for it."""
        self._items.append(item)
        self.box.addItem(item, ignoreBounds=ignore_bounds)

    def add_line(self, **looks: Any) -> Any:
        """A new line with pens as pyqtgraph names them; what is not finite is a gap in it.

        Its `PlotDataItem` has signs at points as well, which nobody asks it for here, and costs four times as much.
        """
        line = cast(Any, CurveLine(**looks))
        self.add(line)
        return line

    def remove(self, item: Any) -> None:
        """Take an item away."""
        self._items.remove(item)
        self.box.removeItem(item)

    def clear(self) -> None:
        """Take everything away."""
        for item in list(self._items):
            self.remove(item)

    def show_grid(self, alpha: float, *sides: Side) -> None:
        """Lines across the box from the ticks of these axes, so strong (0 to 1)."""
        for side in sides:
            self.axes[side].setGrid(int(255 * alpha))
