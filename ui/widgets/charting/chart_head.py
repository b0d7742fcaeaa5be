"""What stands above a chart's plot: its title, the newest value or that of the step that is looked at, and the legend."""

from __future__ import annotations

import html
from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from droid_tune import words
from ui.widgets.basics import clear, column, label, plain_tip, row

#: lines that have room in a legend
MOST_NAMED = 6
#: characters that all names there may have together, and each one at least: a run's may have 120
LONGEST_NAMES, LEAST_OF_A_NAME = 100, 20


class ChartHead(QWidget):
    """The legend takes no room while it names nothing."""

    def __init__(self, title: str, help: str, parent: QWidget) -> None:  # noqa: A002
        super().__init__(parent)
        lines = column(self, spacing=4)
        head = row(spacing=8)
        self.title = label(title, "strong", parent=self)
        self.title.setToolTip(help)
        self.value = label("", "small", parent=self)
        self.value.setTextFormat(Qt.TextFormat.RichText)
        head.addWidget(self.title)
        head.addStretch(1)
        head.addWidget(self.value)
        lines.addLayout(head)
        self.legend: list[QLabel] = []
        self._entries: tuple[tuple[str, str, str], ...] = ()
        self._legend_row = row(spacing=10)
        lines.addLayout(self._legend_row)

    def show_legend(self, entries: Sequence[tuple[str, str, str]]) -> None:
        """(name, colour, sign) of each line; those without room are named under the mouse."""
        if tuple(entries) == self._entries:
            return
        self._entries = tuple(entries)
        clear(self._legend_row)
        self.legend = []
        if not entries:
            return
        most = max(LEAST_OF_A_NAME, LONGEST_NAMES // min(len(entries), MOST_NAMED))
        for name, color, sign in entries[:MOST_NAMED]:
            shown = words.without_middle(name, most)
            entry = self._add(f'<span style="color:{color}">{sign}</span> {html.escape(shown)}')
            entry.setToolTip(plain_tip(name) if shown != name else "")
        if more := entries[MOST_NAMED:]:
            self._add(f"and {len(more)} more").setToolTip(
                ", ".join(f"{name} {sign}" for name, _, sign in more)
            )
        self._legend_row.addStretch(1)

    def _add(self, text: str) -> QLabel:
        entry = label(text, "caption", parent=self)
        entry.setTextFormat(Qt.TextFormat.RichText)
        self.legend.append(entry)
        self._legend_row.addWidget(entry)
        return entry
