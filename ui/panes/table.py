"""Every pane by its key, in the order of the sidebar. A new pane is one folder with a `pane.py`, and one line here."""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import cast

from PySide6.QtWidgets import QWidget

from ui.panes.base import Pane
from ui.session import Session


@dataclass(frozen=True)
class PaneEntry:
    """`home` is where its class stands, `module:class`; `icon` a file of `resources/icons`.

    `shows_run`: it draws the session's shown run, so that going on with that one is what its toolbar offers.
    """

    key: str
    title: str
    icon: str
    home: str
    shows_run: bool = False

    def make(self, session: Session, parent: QWidget) -> Pane:
        """The pane itself. Its module is read here at the latest: the first paint does without its plots and tables."""
        return self.read()(session, parent)

    def read(self) -> type[Pane]:
        """Its class, and with it whatever it imports: 0.1 s, which another thread may spend before the pane is wanted."""
        return cast("type[Pane]", resolve_name(self.home))


PANES = (
    PaneEntry("data", "Data", "data", "ui.panes.data.pane:DataPane"),
    PaneEntry("setup", "Setup", "setup", "ui.panes.setup.pane:SetupPane"),
    PaneEntry("monitor", "Monitor", "monitor", "ui.panes.monitor.pane:MonitorPane", shows_run=True),
    PaneEntry("rollouts", "Rollouts", "rollouts", "ui.panes.rollouts.pane:RolloutsPane", shows_run=True),
    PaneEntry("result", "Result", "result", "ui.panes.result.pane:ResultPane", shows_run=True),
    PaneEntry("runs", "Runs", "runs", "ui.panes.runs.pane:RunsPane"),
    PaneEntry("playground", "Playground", "playground", "ui.panes.playground.pane:PlaygroundPane"),
    PaneEntry("settings", "Settings", "settings", "ui.panes.settings.pane:SettingsPane"),
)
PANES_BY_KEY = {pane.key: pane for pane in PANES}
