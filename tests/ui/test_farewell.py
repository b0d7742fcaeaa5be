"""Signals of the system end the window as its Close does, the run saved; a second one quits."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QObject, Qt
from pytestqt.qtbot import QtBot

from droid_tune.machine.stop_signals import STOPPING
from tests.ui.fake_engine import FakeEngine
from ui.frame.farewell import Farewell
from ui.main_window import MainWindow
from ui.session import Session

pytestmark = pytest.mark.usefixtures("signals_heeded")


@pytest.fixture
def farewell(owner: QObject) -> Iterator[Farewell]:
    made = Farewell(owner)
    yield made
    made.close()


@pytest.mark.parametrize("number", STOPPING)
def test_the_first_is_told_and_the_second_is_the_systems_own(
    number: signal.Signals, farewell: Farewell, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(farewell.asked, timeout=5000):
        os.kill(os.getpid(), number)
    assert farewell.was_asked
    os.kill(os.getpid(), signal.SIGHUP)  # sent besides where a terminal closes: no second wish
    if number == signal.SIGHUP:
        os.kill(os.getpid(), signal.SIGTERM)  # nor is that of a log-out
    assert {signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)} == {signal.SIG_DFL}


def test_the_window_closes_once_the_run_is_saved(
    farewell: Farewell,
    engine: FakeEngine,
    session: Session,
    open_window: Callable[[Session], MainWindow],
    qtbot: QtBot,
) -> None:
    window = open_window(session)
    farewell.asked.connect(window.stop_and_close, Qt.ConnectionType.QueuedConnection)
    engine.hold_at = 2
    session.train(session.draft.config())
    qtbot.waitUntil(lambda: session.live is not None and session.live.step >= 2)
    os.kill(os.getpid(), signal.SIGTERM)
    qtbot.waitUntil(lambda: not window.isVisible())
    assert not session.training
    assert session.live is not None
    assert session.live.life == "stopped"
