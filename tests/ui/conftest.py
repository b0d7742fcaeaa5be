"""Sessions and windows on a fake engine; whatever a test opens is closed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from droid_tune.machine.power import PowerReading
from tests.ui.fake_engine import FakeEngine
from ui.frame import power_watch
from ui.frame.lingering import LINGERING
from ui.main_window import MainWindow
from ui.session import Session
from ui.settings import Settings
from ui.theme import Theme


@pytest.fixture(scope="session", autouse=True)
def theme(qapp: QApplication) -> Theme:
    return Theme(qapp, "light")


@pytest.fixture(autouse=True)
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the computer is that runs the tests, no run of theirs is held for its battery or its heat."""
    monkeypatch.setattr(power_watch, "read_power", PowerReading)


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
    assert LINGERING.see_off(5)
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
        assert LINGERING.see_off(5)
        window.deleteLater()


@pytest.fixture
def window(session: Session, open_window: Callable[[Session], MainWindow]) -> MainWindow:
    return open_window(session)
