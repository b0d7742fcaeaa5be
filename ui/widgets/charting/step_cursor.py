"""The step that is looked at: one for all charts and for the completions."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal


class StepCursor(QObject):
    """`pointed` follows the mouse, `chosen` is what a click or key picked, `range_chosen` what a drag marked.

    A pane that shows a step turns to the chosen one; charts draw a line at whatever is pointed at, else at the chosen one.
    """

    pointed = Signal(object)  # step (float), None where the mouse left
    chosen = Signal(object)  # step (int), None: the newest again
    range_chosen = Signal(object)  # (first, last) steps, None: all

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.step: int | None = None
        self.range: tuple[int, int] | None = None

    def point(self, step: float | None) -> None:
        """The mouse is over a step of some chart, or over none."""
        self.pointed.emit(step)

    def choose(self, step: int | None) -> None:
        """Turn everything to a step, or let it follow the run again."""
        if step != self.step:
            self.step = step
            self.chosen.emit(step)

    def choose_range(self, ends: tuple[int, int] | None) -> None:
        """Look at some of the steps only, or at all again."""
        if ends != self.range:
            self.range = ends
            self.range_chosen.emit(ends)

    def forget(self) -> None:
        """Another run: no step and no range."""
        self.choose(None)
        self.choose_range(None)
