"""Prompts by visits as coloured cells: how much of each visit's completions were right, the hardest prompts on top."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from droid_tune import words
from droid_tune.runs.completions.asking import Visit
from droid_tune.runs.completions.difficulty import PromptHistory
from ui.theme import current_theme

#: pixels of a cell and of the row's number before it
CELL, LINE, NUMBERS = 14, 14, 58


class DifficultyMap(QWidget):
    """One line a prompt, one cell a visit; a click or the arrow keys choose a prompt."""

    chosen = Signal(int)  # the place among the histories
    moved = Signal(int)  # the pixel at which the chosen prompt stands

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._histories: Sequence[PromptHistory] = ()
        self._place = -1
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Map of difficulty: prompts by visits")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        current_theme().changed.connect(self.update)

    def show_histories(self, histories: Sequence[PromptHistory]) -> None:
        """Draw these, in their order; the mark stays with its prompt, wherever that stands now."""
        marked = self._histories[self._place].row if self.has_chosen else None
        rows = [one.row for one in histories]
        self._place = rows.index(marked) if marked in rows else -1
        self._histories = histories
        solved = sum(one.kind == "solved" for one in histories)
        hopeless = sum(one.kind == "hopeless" for one in histories)
        self.setAccessibleDescription(
            f"{solved} of {words.count(len(histories), 'prompt')} solved, {hopeless} hopeless"
        )
        self.setMinimumWidth(self.sizeHint().width())  # what does not fit is scrolled to
        self.setFixedHeight(max(LINE, LINE * len(histories)))
        self.update()

    def choose(self, place: int) -> None:
        """Mark a prompt and tell of it."""
        if 0 <= place < len(self._histories):
            self._place = place
            self.update()
            self.chosen.emit(place)
            self.moved.emit(place * LINE + LINE // 2)

    @property
    def has_chosen(self) -> bool:
        """Whether a prompt is marked."""
        return 0 <= self._place < len(self._histories)

    def sizeHint(self) -> QSize:
        most = max((len(one.visits) for one in self._histories), default=1)
        return QSize(NUMBERS + CELL * most, LINE * max(1, len(self._histories)))

    def visit_at(self, point: QPoint) -> tuple[PromptHistory, Visit | None] | None:
        """The prompt at a pixel, and its visit where the pixel is on one."""
        place, cell = point.y() // LINE, (point.x() - NUMBERS) // CELL
        if not 0 <= place < len(self._histories):
            return None
        history = self._histories[place]
        return history, history.visits[cell] if 0 <= cell < len(history.visits) else None

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            found = self.visit_at(event.pos())
            QToolTip.showText(event.globalPos(), "" if found is None else tip_of(*found), self)
            return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.choose(int(event.position().y()) // LINE)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
        if by is None:
            super().keyPressEvent(event)
        else:
            self.choose(self._place + by)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        tokens = current_theme().tokens
        font = self.font()
        font.setPixelSize(10)
        painter.setFont(font)
        seen = event.rect()
        last = min(len(self._histories), seen.bottom() // LINE + 1)
        for place in range(max(0, seen.top() // LINE), last):
            top, history = place * LINE, self._histories[place]
            if place == self._place:
                painter.fillRect(QRectF(0, top, self.width(), LINE), QColor(tokens.accent_soft))
            painter.setPen(QColor(tokens.secondary))
            number = QRectF(0, top, NUMBERS - 8, LINE)
            painter.drawText(
                number, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{history.row + 1:,}"
            )
            for cell, visit in enumerate(history.visits):
                share = visit.right / visit.completions
                painter.fillRect(QRectF(NUMBERS + cell * CELL, top + 1, CELL - 2, LINE - 2), color_of(share))
        painter.end()


def color_of(share: float) -> QColor:
    """From the colour of wrong to that of right; lighter in between, so that it reads without hue as well."""
    theme = current_theme()
    low, high = theme.color("bad"), theme.color("good")
    made = QColor(low if share < 0.5 else high)
    made.setAlphaF(0.25 + 0.75 * abs(2 * share - 1))
    return made


def tip_of(history: PromptHistory, visit: Visit | None) -> str:
    """`Row 12, step 30: 3 of 8 right`."""
    if visit is None:
        return f"Row {history.row + 1:,}: {history.kind}"
    return f"Row {history.row + 1:,}, step {visit.step:,}: {visit.right} of {visit.completions} right"
