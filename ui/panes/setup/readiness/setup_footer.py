"""The foot of the Setup pane: will it fit and learn, what would Train do, or what keeps it from starting."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from ui.panes.setup.readiness.forecast_strip import ForecastStrip
from ui.widgets.basics import button, column, prose, row
from ui.widgets.restyling import restyle


class SetupFooter(QFrame):
    """Stays in sight while the page scrolls."""

    check_asked = Signal()  # the signal check
    fault_asked = Signal()  # the setting that needs attention

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "footer")
        lines = column(self, spacing=8)
        lines.setContentsMargins(20, 10, 20, 10)
        self.forecast = ForecastStrip(self)
        lines.addWidget(self.forecast)
        lines.addLayout(self._bar())

    def _bar(self) -> QHBoxLayout:
        bar = row(spacing=12)
        self.summary = prose("", "small", parent=self)
        bar.addWidget(self.summary, 1)
        check = button(
            "Signal Check…",
            parent=self,
            help="Sample a few prompts with the starting model: will it learn, does it fit, how long?",
        )
        check.clicked.connect(self.check_asked)
        bar.addWidget(check)
        self._show = button("Show", parent=self, help="Go to the setting that needs attention")
        self._show.clicked.connect(self.fault_asked)
        bar.addWidget(self._show)
        return bar

    def say_ready(self, sentence: str) -> None:
        """What Train would do."""
        self.forecast.hold(False)
        self._say(sentence, faulty=False)

    def say_faulty(self, sentence: str) -> None:
        """What keeps the run from starting; there is nothing to forecast then."""
        self.forecast.hold(True)
        self._say(sentence, faulty=True)

    def _say(self, sentence: str, *, faulty: bool) -> None:
        self.summary.setText(sentence)
        restyle(self.summary, "role", "fault" if faulty else "small")
        self._show.setVisible(faulty)
