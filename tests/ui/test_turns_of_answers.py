"""What work in the background answers never keeps the window from its keys, its mouse and its timers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QObject, QThreadPool, QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.ui.recording import complete, write_run
from ui.background import SLICE_S, Task
from ui.main_window import MainWindow

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

ANSWERS = 12


def test_answers_that_come_together_leave_the_window_a_turn_between_two(owner: QObject, qtbot: QtBot) -> None:
    """Each takes longer than a slice of time here, whatever the machine."""
    turns = [0]
    heard_in: list[int] = []
    timer = QTimer(owner)
    timer.timeout.connect(lambda: turns.append(len(turns)))

    def hear(_: object) -> None:
        time.sleep(2 * SLICE_S)
        heard_in.append(turns[-1])

    for _ in range(ANSWERS):
        Task(lambda: None, owner, done=hear, failed=print).start()
    QThreadPool.globalInstance().waitForDone()  # all of them are there
    timer.start()
    qtbot.waitUntil(lambda: len(heard_in) == ANSWERS)
    timer.stop()
    assert len(set(heard_in)) == ANSWERS


def test_what_is_gone_or_dropped_before_its_turn_hears_nothing(owner: QObject, qapp: QApplication) -> None:
    heard: list[str] = []
    gone, there = QObject(owner), QObject(owner)
    Task(lambda: None, gone, done=lambda _: heard.append("gone"), failed=heard.append).start()
    dropped = Task(lambda: None, there, done=lambda _: heard.append("dropped"), failed=heard.append).start()
    last = Task(lambda: None, there, done=lambda _: heard.append("last"), failed=heard.append).start()
    last.destroyed.connect(lambda: heard.append("end"))
    QThreadPool.globalInstance().waitForDone()
    QApplication.sendPostedEvents()  # they wait for their turn now
    assert heard == []
    gone.deleteLater()
    QApplication.sendPostedEvents(gone, QEvent.Type.DeferredDelete.value)
    dropped.drop()
    while "end" not in heard:
        qapp.processEvents()
    assert heard == ["last", "end"]


def test_panes_that_nobody_looks_at_draw_the_runs_once_they_are_seen(
    window: MainWindow, data_home: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def note(key: str, draw: Callable[[], object]) -> None:
        drawn.append(key)
        draw()

    keys = {"runs": "_show_runs", "playground": "_show_runs", "setup": "_offer_runs"}
    for key, name in keys.items():
        window.show_pane(key)
        pane = window.pane(key)
        monkeypatch.setattr(pane, name, partial(note, key, getattr(pane, name)))
    window.show_pane("settings")
    drawn.clear()
    for name in ("one", "two"):
        write_run(data_home / "runs" / name, complete(20))
        with qtbot.waitSignal(window.session.runs_changed):
            window.session.refresh_runs()
    assert drawn == []
    for key in keys:
        window.show_pane(key)
        assert set(drawn) == {key}
        drawn.clear()
        window.show_pane("settings")
    window.show_pane("runs")
    drawn.clear()
    with qtbot.waitSignal(window.session.runs_changed):
        window.session.refresh_runs()
    assert set(drawn) == {"runs"}
