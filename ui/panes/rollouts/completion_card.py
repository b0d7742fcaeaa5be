"""One sampled completion as a card: its text as it is, its rewards, its advantage, its length and how it ended."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QWidget

from droid_tune import words
from droid_tune.events import Completion
from droid_tune.metrics import describe
from ui.theme import current_theme
from ui.widgets.basics import button, column, label, row
from ui.widgets.episode_view import EpisodeView, cut_chip, episode_in_words
from ui.widgets.long_text import long_text
from ui.widgets.state_chip import Chip, reward_tone

#: characters shown before "Show all"
SHORT = 900


class AdvantageBar(QWidget):
    """A bar from the middle: to the right and green for better than the group, to the left and red for worse."""

    def __init__(self, advantage: float, widest: float, parent: QWidget) -> None:
        super().__init__(parent)
        self._share = max(-1.0, min(1.0, advantage / widest)) if widest > 0 else 0.0
        said = f"Advantage {advantage:+.2f}"
        self.setAccessibleName(said)
        self.setToolTip(f"{said}: how much better than the group's mean, in the units that the loss uses")

    def sizeHint(self) -> QSize:
        return QSize(84, 12)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = current_theme().tokens
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        middle, height = self.width() / 2, 6.0
        top = (self.height() - height) / 2
        painter.setBrush(QColor(tokens.raised))
        painter.drawRoundedRect(QRectF(0, top, self.width(), height), 3, 3)
        length = abs(self._share) * middle
        painter.setBrush(QColor(tokens.good if self._share >= 0 else tokens.bad))
        start = middle if self._share >= 0 else middle - length
        painter.drawRoundedRect(QRectF(start, top, length, height), 3, 3)
        painter.setBrush(QColor(tokens.tertiary))
        painter.drawRect(QRectF(middle - 0.5, top - 3, 1, height + 6))
        painter.end()


class CompletionCard(QFrame):
    """`widest` is the largest advantage of the group, so that bars compare; None where there is none (held-out answers).

    A `brief` card, for a narrow place, has the whole reward without its parts. `judged` tells that a person calls it the
    better (True) or the worse one of its group.
    """

    judged = Signal(bool)

    def __init__(
        self, number: int, one: Completion, widest: float | None, parent: QWidget, *, brief: bool = False
    ) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.setAccessibleName(f"Completion {number}, reward {words.metric('reward', one.reward)}")
        layout = column(self, spacing=8)
        layout.setContentsMargins(14, 10, 14, 12)
        kinds = () if widest is None else (True, False)
        self._verdicts = {better: self._verdict(better) for better in kinds}
        layout.addLayout(self._head(number, one, widest, {} if brief else one.rewards))
        if one.turns:
            layout.addWidget(label(episode_in_words(one.turns), "small", parent=self, wrap=True))
        said = row(spacing=6)
        said.addWidget(self._told(one), 1)
        for part in self._verdicts.values():  # beside what wraps: a head of many rewards has no room to spare
            said.addWidget(part, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(said)

    def _told(self, one: Completion) -> QWidget:
        """What it wrote: turn by turn where it is an episode."""
        if one.turns:
            return EpisodeView(one.turns, self)
        return long_text(one.text, SHORT, "", self)

    def _head(
        self, number: int, one: Completion, widest: float | None, parts: Mapping[str, float | None]
    ) -> QHBoxLayout:
        head = row(spacing=6)
        head.addWidget(label(f"{number}", "secondary", parent=self))
        head.addSpacing(4)
        total = Chip(self, f"Reward {words.metric('reward', one.reward)}", *reward_tone(one.reward))
        head.addWidget(total)
        for name, value in parts.items():
            title = describe(f"rewards/{name}/mean").label
            shown = words.metric("reward", value) if value is not None else "n/a"
            head.addWidget(Chip(self, f"{title} {shown}", *reward_tone(value)))
        head.addStretch(1)
        if one.cut:
            head.addWidget(cut_chip(one.cut, self))
        elif one.finish_reason == "length":
            cut = Chip(self, "Cut off", "warning", "warning_soft")
            cut.setToolTip("It reached the longest length allowed before it ended by itself")
            head.addWidget(cut)
        head.addWidget(label(words.count(one.length, "token"), "small", parent=self))
        if widest is None:
            return head
        head.addSpacing(6)
        head.addWidget(AdvantageBar(one.advantage, widest, self))
        advantage = label(f"{one.advantage:+.2f}", "small", parent=self)
        advantage.setMinimumWidth(38)
        advantage.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        head.addWidget(advantage)
        return head

    def _verdict(self, better: bool) -> QPushButton:
        said = "Better" if better else "Worse"
        part = button(
            said, "segment", parent=self, help=f"The {said.lower()} one of a pair for DPO and its like"
        )
        part.setCheckable(True)
        part.clicked.connect(self._call_better if better else self._call_worse)
        return part

    def show_verdict(self, better: bool | None) -> None:
        """What a person said of it; None: nothing."""
        for own, part in self._verdicts.items():
            part.setChecked(own is better)

    @Slot()
    def _call_better(self) -> None:
        self.judged.emit(True)

    @Slot()
    def _call_worse(self) -> None:
        self.judged.emit(False)
