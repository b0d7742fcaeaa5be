"""Sessions and windows on a fake engine; whatever a test opens is closed again."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QObject, QThreadPool
from PySide6.QtWidgets import QApplication
from pytestqt import qtbot as qtbot_module
from pytestqt.qtbot import QtBot
from pytestqt.wait_signal import SignalBlocker

from droid_tune.machine.power import PowerReading
from tests.ui.fake_engine import FakeEngine
from ui.frame import power_watch
from ui.frame.collector import Collector
from ui.frame.lingering import LINGERING
from ui.main_window import MainWindow
from ui.session import Session
from ui.settings import Settings
from ui.theme import Theme

PATIENCE_MS = 120_000


@pytest.fixture(scope="session", autouse=True)
def theme(qapp: QApplication) -> Theme:
    return Theme(qapp, "light")


@pytest.fixture(scope="session")
def looking_collector(qapp: QApplication) -> Collector:
    return Collector(qapp)


@pytest.fixture(autouse=True)
def collected_in_the_main_thread(looking_collector: Collector) -> Iterator[None]:
    """As in the application: a look for garbage in another thread would destroy the widgets of tests before."""
    gc.disable()
    yield
    looking_collector.look()
    QThreadPool.globalInstance().waitForDone(PATIENCE_MS)
    gc.enable()


@pytest.fixture(autouse=True)
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the computer is that runs the tests, no run of theirs is held for its battery or its heat."""
    monkeypatch.setattr(power_watch, "read_power", PowerReading)


@pytest.fixture(autouse=True)
def blockers_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Who waits for a signal lives as long as its test. A signal that another thread gives twice still has its second
    call on the way when the first was heard, and PySide 6.9 makes that call on an object that is gone: the worker dies.
    """
    kept: list[SignalBlocker] = []

    class KeptBlocker(SignalBlocker):
        def __init__(self, timeout: int = PATIENCE_MS, raising: bool = True, **named: Any) -> None:
            # Who does not mind that nothing comes waits as long as it says.
            super().__init__(max(timeout, PATIENCE_MS) if raising else timeout, raising, **named)

        def connect(self, signal: object) -> None:
            kept.append(self)
            super().connect(signal)

        def _quit_loop_by_signal(self, *args: object) -> None:
            if not self.signal_triggered:
                super()._quit_loop_by_signal(*args)

    monkeypatch.setattr(qtbot_module, "SignalBlocker", KeptBlocker)
    yield
    kept.clear()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No clock decides: what is waited for comes at once, or late on a busy machine."""
    once = QtBot.waitUntil

    def patiently(self: QtBot, callback: Callable[[], bool | None], *, timeout: int = PATIENCE_MS) -> None:
        once(self, callback, timeout=max(timeout, PATIENCE_MS))

    monkeypatch.setattr(QtBot, "waitUntil", patiently)


@pytest.fixture
def owner(qapp: QApplication) -> QObject:
    """A parent that lives as long as the test."""
    return QObject(qapp)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def session(qtbot: QtBot, engine: FakeEngine) -> Iterator[Session]:
    made = Session(engine, Settings())
    yield made
    made.stop()
    qtbot.waitUntil(lambda: not made.training)
    assert LINGERING.see_off(120)
    made.deleteLater()


@pytest.fixture
def open_window(qtbot: QtBot) -> Iterator[Callable[[Session], MainWindow]]:
    opened: list[MainWindow] = []

    def make(session: Session) -> MainWindow:
        window = MainWindow(session)
        opened.append(window)
        window.show()
        qtbot.waitExposed(window)
        return window

    yield make
    for window in opened:
        if window.session.training:
            window.session.stop()
            qtbot.waitUntil(lambda window=window: not window.session.training)
        window.close()
        assert LINGERING.see_off(120)
        window.deleteLater()


@pytest.fixture
def window(session: Session, open_window: Callable[[Session], MainWindow]) -> MainWindow:
    return open_window(session)
