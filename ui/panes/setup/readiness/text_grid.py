"""Rows of words and figures that change often."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from ui.widgets.basics import label
from ui.widgets.restyling import restyle

#: text and role; no text leaves the place empty
Cell = tuple[str, str]


class TextGrid(QGridLayout):
    """Words on the left, figures on the right. Labels stay from one showing to the next: new ones cost a page its layout."""

    def __init__(self, owner: QWidget) -> None:
        super().__init__()
        self._owner = owner
        self._labels: dict[tuple[int, int], QLabel] = {}
        self.setHorizontalSpacing(18)
        self.setColumnStretch(0, 1)

    def show_rows(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Rows of cells (text, role); labels are kept, so that nothing flickers."""
        wanted = {
            (line, place): cell
            for line, cells in enumerate(rows)
            for place, cell in enumerate(cells)
            if cell[0]
        }
        for gone in self._labels.keys() - wanted.keys():
            shown = self._labels.pop(gone)
            self.removeWidget(shown)
            shown.hide()
            shown.deleteLater()
        for at, (text, role) in wanted.items():
            if at not in self._labels:
                self._labels[at] = self._add(*at)
            restyle(self._labels[at], "role", role)
            self._labels[at].setText(text)

    def texts(self) -> list[str]:
        """What is shown, row by row."""
        return [self._labels[at].text() for at in sorted(self._labels)]

    def _add(self, line: int, place: int) -> QLabel:
        made = label("", parent=self._owner)
        if place:
            made.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.addWidget(made, line, place)
        return made
