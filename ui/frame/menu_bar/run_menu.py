"""The Run menu: what can be asked of the run that trains, and of the next one."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QMainWindow

from ui.frame.menus import MenuCommand, add_menu
from ui.frame.orders.run_orders import RunOrders
from ui.frame.orders.run_results import RunResults
from ui.session import Session


class RunMenu(QObject):
    """Keeps its actions in step with the session."""

    def __init__(self, session: Session, orders: RunOrders, results: RunResults, window: QMainWindow) -> None:
        super().__init__(window)
        self._session = session
        _, self._actions = add_menu(
            window,
            "Run",
            [
                MenuCommand("train", "Train", orders.train, "Ctrl+R"),
                MenuCommand("enqueue", "Add to Queue", orders.enqueue, "Ctrl+Shift+T"),
                MenuCommand("pause", "Pause", session.toggle_pause, "Ctrl+Shift+P"),
                MenuCommand("stop", "Stop and Save", session.stop, "Ctrl+."),
                None,
                MenuCommand("resume", "Resume Last Run", orders.resume_last, "Ctrl+Shift+R"),
                None,
                MenuCommand("compare", "Compare Runs…", results.compare, "Ctrl+Shift+K"),
            ],
        )
        session.life_changed.connect(self._follow)
        self._follow()

    @Slot()
    def _follow(self) -> None:
        session, training = self._session, self._session.training
        self._actions["train"].setEnabled(not training)
        self._actions["stop"].setEnabled(training and not session.stopping_now)
        self._actions["pause"].setEnabled(training and not session.stopping)
        self._actions["pause"].setText("Continue" if session.paused else "Pause")
        self._actions["resume"].setEnabled(not training)
