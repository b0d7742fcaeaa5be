"""A small coloured word for the state a run is in."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QWidget

from droid_tune import words
from ui.theme import current_theme

#: text, colour of the words, colour behind them
LOOKS = {
    "running": ("Training", "accent", "accent_soft"),
    "paused": ("Paused", "warning", "warning_soft"),
    "stopping": ("Stopping…", "warning", "warning_soft"),
    "completed": ("Completed", "good", "good_soft"),
    "stopped": ("Stopped", "secondary", "raised"),
    "failed": ("Failed", "bad", "bad_soft"),
    "interrupted": ("Interrupted", "warning", "warning_soft"),
    "created": ("Not started", "secondary", "raised"),
    "empty": ("", "secondary", "raised"),
}


#: pixels beside and above the words, and of the corners
ASIDE, ABOVE, ROUND = 7, 2, 6


class Chip(QLabel):
    """Words on a tinted ground; `tone` and `ground` are names of theme colours.

    It paints itself: with a style sheet of its own each of the dozens on a page of completions took a millisecond.
    """

    def __init__(
        self, parent: QWidget, text: str = "", tone: str = "secondary", ground: str = "raised"
    ) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        font = self.font()
        font.setPixelSize(11)
        font.setWeight(QFont.Weight.DemiBold)
        self.setFont(font)
        self._tone, self._ground = tone, ground
        self.setText(text)
        current_theme().changed.connect(self.update)

    def show_chip(self, text: str, tone: str, ground: str) -> None:
        """A word in a colour (`tone`) on a tint (`ground`), both names of the theme's tokens."""
        if (self.text(), self._tone, self._ground) == (text, tone, ground):
            return
        self._tone, self._ground = tone, ground
        self.setText(text)
        self.update()

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(self.text()) + 2 * ASIDE, metrics.height() + 2 * ABOVE)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current_theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("accent_soft" if self.property("found") else self._ground))
        painter.drawRoundedRect(QRectF(self.rect()), ROUND, ROUND)
        painter.setPen(theme.color(self._tone))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self.text())
        painter.end()


class StateChip(Chip):
    """The state of a run."""

    def show_life(self, life: str) -> None:
        """The word for a run's state (`running`, `failed`, `stopping`); hidden where there is none."""
        text, tone, ground = LOOKS.get(life, (life, "secondary", "raised"))
        self.show_chip(text, tone, ground)
        self.setVisible(bool(text))


def life_words(life: str) -> str:
    """A run's state in one word, the same in each place: `running` is Training."""
    return LOOKS[life][0] if life in LOOKS else words.capitalised(life)


def reward_tone(value: float | None) -> tuple[str, str]:
    """Names of theme colours for a reward: full marks, something, nothing, not applicable."""
    if value is None:
        return "secondary", "raised"
    if value >= 0.999:
        return "good", "good_soft"
    if value <= 1e-9:
        return "bad", "bad_soft"
    return "warning", "warning_soft"
