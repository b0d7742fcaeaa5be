"""The mouse and the keys over a chart's plot, and the step that all charts share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from PySide6.QtCore import QObject, QPointF, Signal, Slot

from ui.widgets.charting.chart_content import ChartContent
from ui.widgets.charting.curve_plot import CurvePlot
from ui.widgets.charting.step_cursor import StepCursor


class ChartPointing(QObject):
    """Tells the shared cursor what is pointed at and follows it; `looked_at` is the step that is to be shown, None the newest."""

    looked_at = Signal(object)  # step (float) or None

    def __init__(
        self, plot: CurvePlot, steps: StepCursor, content: Callable[[], ChartContent], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._plot, self.steps, self._content = plot, steps, content
        scene = cast(Any, plot.scene())  # pyqtgraph has no stubs
        scene.sigMouseMoved.connect(self._hover)
        scene.sigMouseClicked.connect(self._click)
        plot.left.connect(self._unpoint)
        plot.shows_all.connect(self.show_all)
        plot.stepped.connect(self._step_by)
        plot.box.marked.connect(self._mark_range)
        steps.pointed.connect(self._follow_pointer)
        steps.chosen.connect(self.look)
        steps.range_chosen.connect(self._follow_range)

    @Slot()
    def show_all(self) -> None:
        """No range any more."""
        self.steps.choose_range(None)

    @Slot()
    def look(self) -> None:
        """At the chosen step, or at the newest values."""
        self._show(self.steps.step)

    @Slot(object)
    def _follow_pointer(self, step: float | None) -> None:
        self._show(self.steps.step if step is None else step)

    def _show(self, step: float | None) -> None:
        self._plot.show_cursor(None if step is None else self._content().places_of([step])[0])
        self.looked_at.emit(step)

    @Slot(object)
    def _follow_range(self, ends: tuple[int, int] | None) -> None:
        if ends is None:
            self._plot.show_range(None)
        else:
            left, right = self._content().places_of(ends)
            self._plot.show_range((left, right))

    # --- mouse and keys -----------------------------------------------------------------------------------------

    @Slot(object)
    def _hover(self, position: QPointF) -> None:
        box = self._plot.box
        inside = box.sceneBoundingRect().contains(position)
        self.steps.point(self._content().nearest(box.mapSceneToView(position).x()) if inside else None)

    @Slot()
    def _unpoint(self) -> None:
        self.steps.point(None)

    @Slot(object)
    def _click(self, event: Any) -> None:
        step = self._content().nearest(self._plot.box.mapSceneToView(event.scenePos()).x())
        if step is not None and not event.double():
            self.steps.choose(int(step))

    @Slot(int)
    def _step_by(self, direction: int) -> None:
        """The step before or behind the chosen one, by the arrow keys."""
        step = self._content().neighbour(self.steps.step, direction)
        if step is not None:
            self.steps.choose(step)

    @Slot(float, float)
    def _mark_range(self, left: float, right: float) -> None:
        self.steps.choose_range(self._content().range_of(left, right))
