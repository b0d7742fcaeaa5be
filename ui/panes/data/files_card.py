"""What was found in each file: its split, its format, and a bar of accepted, rejected and blank rows."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from droid_tune import words
from droid_tune.data.formats.table import FORMATS_BY_NAME
from droid_tune.data.report import FileReport, Report
from ui.panes.data.share_bar import ShareBar
from ui.widgets.basics import clear, column, label, plain_tip
from ui.widgets.elided_label import ElidedLabel
from ui.widgets.lists.tables import scrolling_card
from ui.widgets.state_chip import Chip

SPLIT_WORDS = {"train": "Train", "valid": "Held-out", "test": "Test"}
#: files seen without scrolling
SEEN_FILES = 3
_FILE_HEIGHT = 31


class FilesCard(QWidget):
    """One line per file; more than a few scroll."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Files")
        self._inside = QWidget(self)
        self._grid = QGridLayout(self._inside)
        self._grid.setContentsMargins(14, 8, 14, 8)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(8)
        self._grid.setColumnStretch(3, 1)
        column(self).addWidget(scrolling_card(self._inside, self))
        self.hide()

    def show_report(self, report: Report | None) -> None:
        """A line for each file; None hides the card."""
        clear(self._grid)
        files = report.files if report is not None else []
        for place, file in enumerate(files):
            for at, part in enumerate(self._line(file)):
                self._grid.addWidget(part, place, at)
        seen = min(len(files), SEEN_FILES)
        self.setFixedHeight(seen * _FILE_HEIGHT + 10 if seen else 0)
        self.setVisible(bool(files))

    def _line(self, file: FileReport) -> list[QWidget]:
        """Name, split, format, bar, counts."""
        name = ElidedLabel("strong", self._inside)
        name.setText(words.literal(Path(file.path).name))
        name.setToolTip(plain_tip(file.path))
        name.setMaximumWidth(220)
        form = FORMATS_BY_NAME[file.format].title if file.format else ""
        counts = label(_counts(file), "small", parent=self._inside)
        counts.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if file.rejected:
            counts.setToolTip("Rejected rows are left out of training; Issues says what is wrong with each")
        return [
            name,
            Chip(self._inside, SPLIT_WORDS[file.split], "accent", "accent_soft"),
            label(form, "small", parent=self._inside),
            ShareBar(file.accepted, file.rejected, file.blank, self._inside),
            counts,
        ]


def _counts(file: FileReport) -> str:
    if file.error is not None and not file.rows:
        return "cannot be used"
    parts = [f"{file.accepted:,} accepted"]
    parts += [
        f"{count:,} {word}" for count, word in ((file.rejected, "rejected"), (file.blank, "blank")) if count
    ]
    return " · ".join(parts)
