"""Will it fit, how long will it take: a bar of the machine's memory, a sentence, a verdict, one-click remedies."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QWidget

from droid_tune import words
from ui.panes.setup.readiness.forecasting import VERDICTS, forecast_details, forecast_words, model_bytes
from ui.theme import current_theme
from ui.widgets.basics import button, clear, column, plain_tip, prose, row
from ui.widgets.state_chip import Chip

if TYPE_CHECKING:
    from droid_tune.estimate.forecast import Estimate, Suggestion, Verdict
    from droid_tune.estimate.readiness import DataReadiness

#: a run that takes next to nothing can still be seen
LEAST_PIXELS = 3.0
MOST_REMEDIES = 3
#: what opens a tool of the Data pane
TOOLS = {"split": "Hold Out Rows…", "overlap": "Remove Leakage…"}
NO_ROW_FITS, NOT_ONE_READ = ("No row fits", "bad", "bad_soft"), ("No usable row", "bad", "bad_soft")


class SlimMemoryBar(QWidget):
    """The machine's memory: in use by others, the model, the worst moment of a step, free; a line at the limit."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._shares: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
        self._fits = True

    def sizeHint(self) -> QSize:
        return QSize(220, 16)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 16)

    def show_estimate(self, found: Estimate) -> None:
        """Draw the shares of the machine's memory, of others, the model and the worst moment."""
        total = max(1, found.host.memory_bytes)
        model, peak = (model_bytes(found), found.peak_bytes) if found.known else (0.0, 0.0)
        others = found.host.used_by_others_bytes
        limit = min(total, others + found.budget_bytes)
        self._shares = (others / total, model / total, (peak - model) / total, limit / total)
        self._fits = found.verdict == "fits"
        wanted = f"{words.size(model)} for the model, {words.size(peak - model)} for a step"
        said = (
            f"{words.size(others)} in use by other programs, "
            f"{wanted if found.known else 'not known for the model'}, of {words.size(total)}"
        )
        self.setAccessibleName(f"Memory: {said}")
        self.setToolTip(plain_tip(f"{said}.\n{forecast_details(found)}"))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = current_theme().tokens
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(0, 3, self.width(), self.height() - 6)
        outline = QPainterPath()
        outline.addRoundedRect(area, 5, 5)
        painter.setClipPath(outline)
        painter.fillRect(area, QColor(tokens.raised))
        others, model, step, limit = self._shares
        soft = QColor(tokens.accent)
        soft.setAlphaF(0.55)
        left = 0.0
        for share, color in ((others, QColor(tokens.border)), (model, QColor(tokens.accent)), (step, soft)):
            width = max(LEAST_PIXELS, share * self.width()) if share > 0 else 0.0
            over = not self._fits and color != QColor(tokens.border)
            painter.fillRect(
                QRectF(left, area.top(), width, area.height()), QColor(tokens.bad) if over else color
            )
            left += width
        painter.setClipping(False)
        painter.fillRect(QRectF(limit * self.width() - 1, 0, 2, self.height()), QColor(tokens.secondary))
        painter.end()


class ForecastStrip(QWidget):
    """`applied` tells the settings of a remedy, by path."""

    applied = Signal(dict)
    data_asked = Signal(str)  # a tool of the Data pane, or ""
    trial_asked = Signal()  # of the rewards

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        layout = column(self, spacing=6)
        line = row(spacing=10)
        self._bar = SlimMemoryBar(self)
        self._words = prose("", "small", parent=self)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        self._chip = Chip(self)
        line.addWidget(self._chip)
        line.addWidget(self._bar)
        line.addWidget(self._words, 1)
        layout.addLayout(line)
        self._rows = row(spacing=10)
        layout.addLayout(self._rows)
        self._trials = row(spacing=10)
        layout.addLayout(self._trials)
        self._untried: list[str] = []
        self._data: DataReadiness | None = None
        self._verdict: Verdict | None = None
        self._remedies = row(spacing=8)
        layout.addLayout(self._remedies)
        self._shown: tuple[Suggestion, ...] = ()
        self._told = self._held = False
        self.hide()

    def hold(self, held: bool) -> None:
        """Stay out of sight, also with an answer that is still on its way, until the run could begin."""
        self._held = held
        self.setVisible(self._told and not held)

    @Slot(object)
    def show_estimate(self, found: Estimate) -> None:
        """The verdict, the bar, memory and time in words, and what would help."""
        self._bar.setVisible(True)
        self._bar.show_estimate(found)
        self._words.setText(forecast_words(found))
        self._words.setToolTip(plain_tip(forecast_details(found)))
        self._verdict = found.verdict
        self._show_chip()
        self._show_remedies(found.suggestions[:MOST_REMEDIES])
        self._told = True
        self.hold(self._held)

    @Slot(str)
    def show_why_unknown(self, sentence: str) -> None:
        """What keeps the model's size from being known, in the place of figures that nobody has."""
        if sentence and self._verdict == "unknown":
            self._words.setText(sentence)

    @Slot(object)
    def show_data(self, found: DataReadiness | None) -> None:
        """What the rows are like, where that needs attention: a sentence and what mends it."""
        if found == self._data:
            return
        self._data = found
        self._show_chip()
        clear(self._rows)
        for finding in found.findings() if found is not None else ():
            said = prose(finding.text, "fault" if finding.level == "error" else "small", parent=self)
            self._rows.addWidget(said, 1)
            for remedy in finding.remedies:
                said = remedy.text if remedy.values else TOOLS.get(remedy.tool, "Look at the Data")
                made = button(said, parent=self, help=remedy.text)
                if remedy.values:
                    made.clicked.connect(partial(self._apply, remedy.values))
                else:
                    made.clicked.connect(partial(self._ask_for_data, remedy.tool))
                self._rows.addWidget(made)

    def _ask_for_data(self, tool: str) -> None:
        self.data_asked.emit(tool)

    def show_untried(self, files: list[str]) -> None:
        """Reward files that nobody tried as they are now."""
        if files == self._untried:
            return
        self._untried = files
        clear(self._trials)
        if files:
            were = "was" if len(files) == 1 else "were"
            said = f"{', '.join(files)} {were} not tried yet as now written: does it tell right from wrong?"
            self._trials.addWidget(prose(said, "small", parent=self), 1)
            made = button("Try Rewards…", parent=self, help="On rows of the data, in a second")
            made.clicked.connect(self.trial_asked)
            self._trials.addWidget(made)

    def _show_chip(self) -> None:
        """What fits in memory is not ready where none of its rows can be used."""
        if self._verdict is None:
            return
        if self._data is not None and self._data.none_fits:
            self._chip.show_chip(*(NOT_ONE_READ if self._data.fault else NO_ROW_FITS))
        else:
            self._chip.show_chip(*VERDICTS[self._verdict])
        self._chip.setVisible(True)

    @Slot(str)
    def show_fault(self, sentence: str) -> None:
        """No estimate: say why, in the place of the figures."""
        self._bar.hide()
        self._chip.hide()
        self._verdict = None
        self._words.setText(sentence)
        self._show_remedies(())
        self._told = True
        self.hold(self._held)

    def _show_remedies(self, remedies: tuple[Suggestion, ...]) -> None:
        if remedies == self._shown:
            return
        self._shown = remedies
        clear(self._remedies)
        for remedy in remedies:
            text = remedy.why.replace("->", "→")
            made = button(text, parent=self, help=f"Set {remedy.change}")
            made.clicked.connect(partial(self._apply, remedy.values))
            self._remedies.addWidget(made)
        if remedies:
            self._remedies.addStretch(1)

    def _apply(self, values: dict[str, Any], *_: object) -> None:
        self.applied.emit(values)
