"""How far the download of a model is: paused, resumed and cancelled here."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from droid_tune import words
from ui.widgets.basics import button, column, label, prose, row
from ui.widgets.calm_bar import CalmBar
from ui.work.download_desk import DownloadDesk

#: of the bar, which holds no more than 2^31
_PARTS = 10_000


class DownloadBar(QWidget):
    """Hidden while nothing is fetched."""

    def __init__(self, desk: DownloadDesk, parent: QWidget) -> None:
        super().__init__(parent)
        self._desk = desk
        layout = column(self, spacing=4)
        line = row(spacing=8)
        self._said = label("", "small", parent=self)
        self._bar = CalmBar(self)
        self._bar.setTextVisible(False)
        self._bar.setRange(0, _PARTS)
        self._bar.setAccessibleName("How far the download is")
        self._pause = button("Pause", "compact", parent=self)
        self._pause.clicked.connect(desk.pause)
        self._resume = button("Resume", "compact", parent=self)
        self._resume.clicked.connect(desk.resume)
        self._cancel = button("Cancel", "compact", parent=self, help="Let go of what is half here")
        self._cancel.clicked.connect(desk.cancel)
        line.addWidget(self._said)
        line.addWidget(self._bar, 1)
        for made in (self._pause, self._resume, self._cancel):
            made.setAutoDefault(False)
            line.addWidget(made)
        layout.addLayout(line)
        self._fault = prose("", "fault", parent=self)
        layout.addWidget(self._fault)
        desk.changed.connect(self._show)
        self._show()

    @Slot()
    def _show(self) -> None:
        desk = self._desk
        self.setVisible(desk.busy)
        self._said.setText(words.literal(download_words(desk)))
        unknown = desk.state == "running" and not desk.total_bytes
        self._bar.setRange(0, 0 if unknown else _PARTS)
        self._bar.setValue(round(_PARTS * desk.done_bytes / max(1, desk.total_bytes)))
        self._pause.setVisible(desk.state in ("running", "pausing"))
        self._pause.setEnabled(desk.state == "running")
        self._resume.setVisible(desk.state in ("paused", "failed"))
        self._cancel.setEnabled(desk.state != "pausing")
        self._fault.setText(words.literal(desk.fault))
        self._fault.setVisible(bool(desk.fault))


def download_words(desk: DownloadDesk) -> str:
    """`org/model: 120 MB of 351 MB, paused`."""
    size = (
        f"{words.size(desk.done_bytes)} of {words.size(desk.total_bytes)}" if desk.total_bytes else "asking"
    )
    state = {"paused": ", paused", "pausing": ", stopping", "failed": ", interrupted"}.get(desk.state, "")
    return f"{desk.name}: {size}{state}"
