"""Updates that give no numbers, three in a row, with the real engine: the window says what can be done, and it helps."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from droid_tune.runs.steering import send, wish
from tests.engine.train.test_no_numbers import CONFIG, diverging
from ui.engine_worker import Engine
from ui.main_window import MainWindow
from ui.widgets.notice import NoticeBar

__all__ = ["diverging"]


@pytest.fixture
def engine() -> Engine:
    return Engine()


def waiting(window: MainWindow) -> list[NoticeBar]:
    return [bar for bar in window._banners.bars() if bar.text.startswith("Paused: ")]  # pyright: ignore[reportPrivateUsage]


@pytest.mark.slow
def test_the_window_says_what_to_lower_and_continue_goes_on(window: MainWindow, qtbot: QtBot) -> None:
    session = window.session
    session.train(CONFIG)
    qtbot.waitUntil(lambda: bool(waiting(window)))
    (bar,) = waiting(window)
    assert "was not a number in 3 steps in a row (steps 2 to 4)" in bar.text
    assert "lower the learning rate" in bar.remedy.lower()
    assert "Steer…" in bar.remedy
    assert session.paused
    assert session.live_folder is not None
    send(session.live_folder, [wish({"learning_rate": 1e-4})])
    bar.chosen.emit("Continue")
    assert not waiting(window)
    qtbot.waitUntil(lambda: not session.training)
    assert session.live is not None
    assert (session.live.life, session.live.step) == ("completed", 6)
