"""The page of the Setup pane: what a run is made of, and how it goes; side by side where there is room."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from ui.panes.setup.choices.data_card import DataCard
from ui.panes.setup.choices.environment_choice import EnvironmentChoice
from ui.panes.setup.choices.method_choice import MethodChoice
from ui.panes.setup.choices.model_picker import ModelPicker
from ui.panes.setup.choices.preset_choice import PresetChoice
from ui.panes.setup.readiness.estimate_panel import EstimatePanel
from ui.panes.setup.rewards_section import RewardsSection
from ui.panes.setup.settings_form import SettingsForm
from ui.session import Session
from ui.widgets.basics import Page, button, column, label, row

#: how wide a column may grow before lines get too long to read, and what lies between two of them side by side, or below
#: one another
COLUMN_WIDTH, BETWEEN, BELOW = 860, 32, 18
#: a page of this width has two columns, each wide enough for three cards in a row
TWO_COLUMNS = 1480
#: the longest name of a run
MOST_LETTERS = 120


class SetupPage(Page):
    """Holds the sections and says nothing itself; each tells by its own signals."""

    reset_all_asked = Signal()

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        middle = row(self)
        middle.setContentsMargins(20, 18, 20, 24)
        self._both = QWidget(self)
        middle.addWidget(self._both)
        self._sides = QBoxLayout(QBoxLayout.Direction.TopToBottom, self._both)
        self._sides.setContentsMargins(0, 0, 0, 0)
        self._make_what(session)
        self._make_how()

    def _column(self) -> tuple[QWidget, QVBoxLayout]:
        made = QWidget(self._both)
        self._sides.addWidget(made, 1)
        return made, column(made, spacing=8)

    def _make_what(self, session: Session) -> None:
        box, lines = self._column()
        self.picker = ModelPicker(session, box)
        self.data = DataCard(box)
        self.methods = MethodChoice(box)
        self.environment_section = QWidget(box)
        section = column(self.environment_section, spacing=8)
        section.addSpacing(8)
        section.addWidget(label("Tools and turns", "heading", parent=self.environment_section))
        self.environment = EnvironmentChoice(self.environment_section)
        section.addWidget(self.environment)
        lines.addWidget(label("Model", "heading", parent=box))
        lines.addWidget(self.picker)
        _add(lines, "Data", self.data, box)
        _add(lines, "Method", self.methods, box)
        lines.addWidget(self.environment_section)
        self.rewards = RewardsSection(session, box)
        lines.addSpacing(10)
        lines.addWidget(self.rewards)
        lines.addStretch(1)

    def _make_how(self) -> None:
        box, lines = self._column()
        self.panel = EstimatePanel(box)
        self.preset = PresetChoice(box)
        self.name = self._name_field(box)
        self.settings = SettingsForm(box)
        lines.addWidget(label("Memory and time", "heading", parent=box))
        lines.addWidget(self.panel)
        lines.addSpacing(10)
        lines.addLayout(self._settings_head(box))
        for part in (self.preset, self.name, self.settings):
            lines.addWidget(part)
        lines.addStretch(1)

    def _settings_head(self, box: QWidget) -> QHBoxLayout:
        bar = row(spacing=10)
        bar.addWidget(label("Settings", "heading", parent=box))
        bar.addStretch(1)
        self.reset_all = button("Reset All", "quiet", parent=box, help="Back to the defaults of the preset")
        self.reset_all.clicked.connect(self.reset_all_asked)
        bar.addWidget(self.reset_all)
        return bar

    def _name_field(self, box: QWidget) -> QLineEdit:
        field = QLineEdit(box)
        field.setPlaceholderText("A name for the run (made from method and model if left empty)")
        field.setAccessibleName("Name of the run")
        field.setMaxLength(MOST_LETTERS)
        return field

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        beside = self.width() >= TWO_COLUMNS
        direction = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
        self._sides.setDirection(direction)
        self._sides.setSpacing(BETWEEN if beside else BELOW)
        self._both.setMaximumWidth(2 * COLUMN_WIDTH + BETWEEN if beside else COLUMN_WIDTH)


def _add(lines: QVBoxLayout, title: str, part: QWidget, box: QWidget) -> None:
    lines.addSpacing(10)
    lines.addWidget(label(title, "heading", parent=box))
    lines.addWidget(part)
