"""What a pool's thread tells comes through the window's thread: a signal that it gives itself, of an object that the window
deletes at that moment, ends the process (PySide 6.9)."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QObject, Qt
from pytestqt.qtbot import QtBot

from droid_tune.control import Watch
from droid_tune.data.dataset import open_dataset
from ui.background import Task
from ui.panes.data.data_job import DataJob
from ui.panes.data.data_reader import DataReader, Source
from ui.panes.data.rows.rows_model import PageReader

#: owners that go away while their tasks end, many times over; it says how many turns it came through
TORN_DOWN = """
import random, sys, time
from PySide6.QtCore import QThreadPool, QTimer
from PySide6.QtWidgets import QApplication, QLabel, QWidget
import shiboken6
from ui.background import Task

sys.setswitchinterval(1e-5)
application = QApplication([])
QThreadPool.globalInstance().setMaxThreadCount(6)
chance = random.Random(1)
turns = 0

def turn():
    global turns
    turns += 1
    owner = QWidget()
    for _ in range(6):
        for _ in range(5):
            QLabel("x", owner)
        work = lambda: time.sleep(chance.random() * 0.002)
        Task(work, owner, done=lambda _value: None, failed=print).start()
    QTimer.singleShot(chance.randrange(3), lambda: shiboken6.delete(owner))
    QTimer.singleShot(1, turn if turns < 1500 else application.quit)

turn()
application.exec()
QThreadPool.globalInstance().waitForDone()
print("came through", turns)
"""


def told_in(signal: Any) -> list[bool]:
    """Fills with whether each of a signal's calls was made in the main thread."""
    calls: list[bool] = []
    signal.connect(
        lambda *_given: calls.append(threading.current_thread() is threading.main_thread()),
        Qt.ConnectionType.DirectConnection,
    )
    return calls


def rows_of(folder: Path) -> Path:
    lines = (f'{{"prompt": "What is {n} + 1?", "answer": "{n + 1}"}}\n' for n in range(100))
    (folder / "train.jsonl").write_text("".join(lines))
    return folder


def test_progress_of_work_on_data(owner: QObject, qtbot: QtBot) -> None:
    done: list[object] = []

    def work(watch: Watch) -> None:
        for step in range(5):
            watch.progress(step, 5, "")

    job = DataJob(work, owner, done=done.append, failed=done.append)
    calls = told_in(job.progressed)
    job.start()
    qtbot.waitUntil(lambda: bool(done))
    assert calls == [True] * 5


def test_progress_of_a_look_through_data(owner: QObject, tmp_path: Path, qtbot: QtBot) -> None:
    reader = DataReader(owner)
    calls = told_in(reader.progressed)
    reader.inspect(Source(str(rows_of(tmp_path)), "grpo"))
    qtbot.waitUntil(lambda: not reader.busy)
    assert calls
    assert all(calls)


def test_pages_of_a_table(owner: QObject, tmp_path: Path, qtbot: QtBot) -> None:
    rows = open_dataset(rows_of(tmp_path), "grpo").train
    reader = PageReader(owner)
    calls = told_in(reader.arrived)
    reader.open(1, rows, ["prompt", "answer"])
    reader.want(0)
    reader.want(1)
    qtbot.waitUntil(lambda: len(calls) == 2)
    assert calls == [True, True]
    reader.close()


def test_nothing_is_told_to_one_that_is_gone(qtbot: QtBot) -> None:
    owner, told = QObject(), list[object]()
    begun, go = threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return go.wait(60)

    Task(work, owner, done=told.append, failed=told.append).start()
    assert begun.wait(60)
    owner.deleteLater()
    with qtbot.waitSignal(owner.destroyed):
        pass
    go.set()
    after = list[object]()
    kept = QObject()
    Task(lambda: 1, kept, done=after.append, failed=after.append).start()
    qtbot.waitUntil(lambda: after == [1])
    assert told == []


@pytest.mark.slow
def test_owners_that_go_away_while_their_tasks_end() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", TORN_DOWN], check=False, capture_output=True, text=True, timeout=600
    )
    assert (ran.returncode, ran.stdout) == (0, "came through 1500\n"), ran.stderr
