"""What a run tells, above its curves but never in their place: one line, the others at a press."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QWidget

from droid_tune import words
from droid_tune.events import REWARD_FAILED, Notice
from ui.widgets.basics import button, column
from ui.widgets.notice import NoticeBar

#: older ones stay in the run's events
MOST_NOTICES = 8


class NoticeBox(QWidget):
    """The newest notice; the earlier ones are folded away."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._bars: dict[tuple[str, int], NoticeBar] = {}
        self._away: set[tuple[str, int]] = set()
        self._open = False
        self._layout = column(self, spacing=6)
        self._more = button("", "quiet", parent=self)
        self._more.clicked.connect(self._toggle)
        self._layout.addWidget(self._more, 0, Qt.AlignmentFlag.AlignLeft)
        self.hide()

    def show_notices(self, notices: Sequence[Notice]) -> None:
        """Draw what is new; a notice told again keeps its place, and one that was waved away stays away."""
        newest = {notice_key(notice): notice for notice in notices[-MOST_NOTICES:]}
        told = {key: notice for key, notice in newest.items() if key not in self._away}
        for gone in self._bars.keys() - told.keys():
            bar = self._bars.pop(gone)
            self._layout.removeWidget(bar)
            bar.go()
        for key, notice in told.items():
            text = sentence_of(notice)
            if key not in self._bars:
                self._bars[key] = NoticeBar(notice.level, text, notice.remedy, parent=self)
                self._bars[key].closed.connect(self._wave_away)
                self._layout.insertWidget(0, self._bars[key])
            elif self._bars[key].text != text:
                self._bars[key].say(text, notice.remedy)
        self._fold()

    def forget(self) -> None:
        """Another run is shown."""
        for bar in self._bars.values():
            self._layout.removeWidget(bar)
            bar.go()
        self._bars, self._away, self._open = {}, set(), False
        self._fold()

    @property
    def bars(self) -> list[NoticeBar]:
        """All of them, the oldest first."""
        return list(self._bars.values())

    def _fold(self) -> None:
        bars = self.bars
        self.setVisible(bool(bars))
        for place, bar in enumerate(reversed(bars)):
            bar.setVisible(place == 0 or self._open)
        hidden = len(bars) - 1
        self._more.setVisible(hidden > 0)
        self._more.setText(
            "Show the newest only" if self._open else f"{words.count(hidden, 'earlier notice')}"
        )

    @Slot()
    def _wave_away(self) -> None:
        bar = self.sender()
        waved = next(key for key, shown in self._bars.items() if shown is bar)
        self._layout.removeWidget(self._bars.pop(waved))
        self._away.add(waved)
        self._fold()

    @Slot()
    def _toggle(self) -> None:
        self._open = not self._open
        self._fold()


def sentence_of(notice: Notice) -> str:
    """`Step 12: ...`; of failing rewards without the step, which is told in the sentence."""
    where = f"Step {notice.step}: " if notice.step and notice.code != REWARD_FAILED else ""
    return where + notice.text


def notice_key(notice: Notice) -> tuple[str, int]:
    """What keeps its place: failing rewards are one notice, of all others each is its own."""
    return (notice.code, 0) if notice.code == REWARD_FAILED else (notice.code, id(notice))
