"""What is asked in the background about the run of the draft: does it fit, how long does it take, is the data fit to train on."""

from __future__ import annotations

from PySide6.QtCore import QObject

from droid_tune.config import RunConfig
from ui.panes.setup.readiness.data_readiness import ReadinessAsker
from ui.panes.setup.readiness.forecasting import Forecaster
from ui.panes.setup.readiness.setup_footer import SetupFooter
from ui.panes.setup.readiness.tools_asker import ToolsAsker
from ui.panes.setup.setup_page import SetupPage
from ui.session import Session


class DraftAnswers(QObject):
    """Answers go to the page and its foot as they come."""

    def __init__(self, session: Session, page: SetupPage, footer: SetupFooter, parent: QObject) -> None:
        super().__init__(parent)
        forecast, self._page = footer.forecast, page
        self._forecaster = Forecaster(self)
        self._forecaster.told.connect(forecast.show_estimate)
        self._forecaster.told.connect(page.panel.show_estimate)
        self._forecaster.compared.connect(page.panel.show_methods)
        self._forecaster.failed.connect(forecast.show_fault)
        self._forecaster.hampered.connect(page.panel.show_fault)
        self._forecaster.hampered.connect(forecast.show_why_unknown)
        session.data_changed.connect(self._forecaster.forget_data)
        self.tools = ToolsAsker(session.engine, self)
        self.tools.told.connect(page.environment.show_tools)
        self.tools.failed.connect(page.environment.show_unusable)
        self._readiness = ReadinessAsker(self)
        self._readiness.told.connect(forecast.show_data)
        session.data_changed.connect(self._readiness.forget_data)

    @property
    def unusable(self) -> str:
        """Why the chosen environment cannot be used; empty where it can, or while that is being looked at."""
        return "" if self.tools.asking else self._page.environment.unusable

    def ask(self, config: RunConfig) -> None:
        """Everything about a config that can be trained."""
        self._forecaster.ask(config)
        self._readiness.ask(config)
        self.tools.ask(config)

    def ask_memory(self, config: RunConfig) -> None:
        """Only what follows while a field is being typed into."""
        self._forecaster.ask(config)
