"""What happened to a run, as small signs below its curves: saved, best, resumed, steered, told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QHelpEvent, QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QToolTip, QWidget

from droid_tune.runs.state import RunState
from droid_tune.runs.steering import steered_sentence
from ui.theme import current_theme

Kind = Literal["checkpoint", "best", "resume", "stop", "steered", "notice"]
#: the colour of each kind among the theme's; their forms differ too
COLORS: dict[Kind, str] = {
    "checkpoint": "tertiary",
    "best": "good",
    "resume": "accent",
    "stop": "bad",
    "steered": "accent",
    "notice": "warning",
}
#: these are drawn through the plot as well
LINED: tuple[Kind, ...] = ("best", "steered", "resume")
#: lines through a plot; more of them would hide it
MOST_LINES = 24
#: pixels around a sign within which the mouse means it
NEAR = 7


@dataclass(frozen=True)
class RunMark:
    """Something that happened after `step` updates, and the sentence that says what."""

    step: int
    kind: Kind
    text: str


def marks_of(state: RunState) -> tuple[RunMark, ...]:
    """What happened to a run so far, in order of the steps."""
    best = state.best
    made = [RunMark(saved.step, "checkpoint", f"Saved at step {saved.step:,}") for saved in state.checkpoints]
    made += [RunMark(step, "resume", f"Resumed at step {step:,}") for step in state.resumes]
    made += [RunMark(one.step, "steered", steered_sentence(one)) for one in state.steered]
    made += [
        RunMark(told.step, "notice", f"Step {told.step:,}: {told.text}")
        for told in state.notices
        if told.step is not None
    ]
    if best is not None:
        made.append(RunMark(best.step, "best", f"Best: {best}"))
    if state.life in ("stopped", "failed", "interrupted"):
        made.append(RunMark(state.step, "stop", f"Ended at step {state.step:,}. {state.why}".strip()))
    return tuple(sorted(made, key=lambda mark: (mark.step, mark.kind)))


class MarkStrip(QWidget):
    """A thin row below a plot; `across` gives the pixels of steps, None for those out of sight."""

    def __init__(self, across: Callable[[Sequence[float]], list[float | None]], parent: QWidget) -> None:
        super().__init__(parent)
        self._across = across
        self._marks: tuple[RunMark, ...] = ()
        self.setAccessibleName("Marks of the run")
        self.hide()

    def show_marks(self, marks: Sequence[RunMark]) -> None:
        """Draw these; without any the row is not there."""
        if tuple(marks) == self._marks:
            return
        self._marks = tuple(marks)
        self.setVisible(bool(marks))
        self.setAccessibleDescription(" ".join(mark.text for mark in marks[-5:]))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(60, 10)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def mark_near(self, x: float) -> RunMark | None:
        """The mark at a pixel, the nearest of those that are near enough."""
        found = [
            (abs(place - x), number)
            for number, place in enumerate(self._places())
            if place is not None and abs(place - x) <= NEAR
        ]
        return self._marks[min(found)[1]] if found else None

    def _places(self) -> list[float | None]:
        return self._across([mark.step for mark in self._marks])

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            mark = self.mark_near(event.pos().x())
            QToolTip.showText(event.globalPos(), mark.text if mark is not None else "", self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        theme = current_theme()
        brushes = {kind: theme.color(color) for kind, color in COLORS.items()}
        for mark, place in zip(self._marks, self._places(), strict=True):
            if place is not None:
                painter.setBrush(brushes[mark.kind])
                _draw_sign(painter, mark.kind, place, self.height() / 2)
        painter.end()


def _draw_sign(painter: QPainter, kind: Kind, x: float, y: float) -> None:
    """Told apart by form as well as colour."""
    size = 3.5
    match kind:
        case "checkpoint":
            painter.drawRect(QRectF(x - 1, y - size, 2, 2 * size))
        case "best":
            painter.drawPolygon(
                QPolygonF(
                    [QPointF(x, y - 4.5), QPointF(x + 4.5, y), QPointF(x, y + 4.5), QPointF(x - 4.5, y)]
                )
            )
        case "stop":
            painter.drawRect(QRectF(x - size, y - size, 2 * size, 2 * size))
        case "resume":
            painter.drawPolygon(
                QPolygonF([QPointF(x - 3, y - size), QPointF(x + 4, y), QPointF(x - 3, y + size)])
            )
        case "steered":
            painter.drawPolygon(
                QPolygonF([QPointF(x, y - size), QPointF(x + 4, y + size), QPointF(x - 4, y + size)])
            )
        case "notice":
            painter.drawEllipse(QPointF(x, y), 2.5, 2.5)
