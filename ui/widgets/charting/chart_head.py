"""What stands above a chart's plot: its title, the newest value or that of the step that is looked at, and the legend."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from ui.widgets.basics import clear, column, label, row

#: lines that have room in a legend
MOST_NAMED = 6


class ChartHead(QWidget):
    """A chart of a single line has no legend."""

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
        self._legend_row = row(spacing=10)
        lines.addLayout(self._legend_row)

    def show_legend(self, entries: Sequence[tuple[str, str, str]]) -> None:
        """(name, colour, sign) of each line."""
        clear(self._legend_row)
        self.legend = []
        if len(entries) < 2:
            return
        for name, color, sign in entries[:MOST_NAMED]:
            entry = QLabel(self)
            entry.setTextFormat(Qt.TextFormat.RichText)
            shown = name.replace("&", "&amp;").replace("<", "&lt;")
            entry.setText(f'<span style="color:{color}">{sign}</span> {shown}')
            entry.setProperty("role", "caption")
            self.legend.append(entry)
            self._legend_row.addWidget(entry)
        self._legend_row.addStretch(1)
