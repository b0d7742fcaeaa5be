"""A small coloured word for the state a run is in."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QWidget

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


class Chip(QLabel):
    """Words on a tinted ground; `tone` and `ground` are names of theme colours."""

    def __init__(
        self, parent: QWidget, text: str = "", tone: str = "secondary", ground: str = "raised"
    ) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._tone, self._ground = tone, ground
        self.setText(text)
        self._tint()
        current_theme().changed.connect(self._tint)

    def show_chip(self, text: str, tone: str, ground: str) -> None:
        """A word in a colour (`tone`) on a tint (`ground`), both names of the theme's tokens."""
        if (self.text(), self._tone, self._ground) == (text, tone, ground):
            return
        self._tone, self._ground = tone, ground
        self.setText(text)
        self._tint()

    @Slot()
    def _tint(self) -> None:
        tokens = current_theme().tokens
        self.setStyleSheet(
            f"color: {getattr(tokens, self._tone)}; background: {getattr(tokens, self._ground)};"
            "border-radius: 6px; padding: 2px 7px; font-size: 11px; font-weight: 600;"
        )


class StateChip(Chip):
    """The state of a run."""

    def show_life(self, life: str) -> None:
        """The word for a run's state (`running`, `failed`, `stopping`); hidden where there is none."""
        text, tone, ground = LOOKS.get(life, (life, "secondary", "raised"))
        self.show_chip(text, tone, ground)
        self.setVisible(bool(text))


def reward_tone(value: float | None) -> tuple[str, str]:
    """Names of theme colours for a reward: full marks, something, nothing, not applicable."""
    if value is None:
        return "secondary", "raised"
    if value >= 0.999:
        return "good", "good_soft"
    if value <= 1e-9:
        return "bad", "bad_soft"
    return "warning", "warning_soft"
