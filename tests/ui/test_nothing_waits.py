"""Nothing in the GUI thread ever waits for a worker: a sheet or the window closes at once, and what ran ends by itself."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QElapsedTimer, QTimer
from pytestqt.qtbot import QtBot

from droid_tune.config import RunConfig
from droid_tune.errors import Stopped
from droid_tune.estimate.signal import CheckReport
from droid_tune.events import Phase
from tests.ui.fake_engine import FakeEngine
from ui.frame.lingering import LINGERING
from ui.main_window import MainWindow
from ui.panes.setup.check_view import CheckView, progress_of
from ui.work.playground_thread import PlaygroundQuestion, PlaygroundThread

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

WAITS = re.compile(r"\.(wait|waitForDone|waitForFinished|waitForStarted)\(")


def test_only_the_very_end_of_the_application_waits(project_root: Path) -> None:
    found = {
        str(file.relative_to(project_root))
        for file in (project_root / "ui").rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if WAITS.search(line)
    }
    # the collector's wait is that of another thread for the window's, and not for ever
    assert found == {"ui/frame/lingering.py", "ui/frame/collector.py"}


class SlowEngine(FakeEngine):
    """A check that hears of a stop only when `heard` is set, as one between two large slices does."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()
        self.released: list[str] = []

    def check(self, config: RunConfig, prompts: int, control: object, on_progress: object) -> CheckReport:
        assert self.heard.wait(120)
        raise Stopped

    def release(self, *, going_on: bool = False) -> None:
        self.released.append(threading.current_thread().name)


@pytest.fixture
def engine() -> SlowEngine:
    return SlowEngine()


def test_closing_the_check_takes_no_time_and_gives_its_memory_back(
    engine: SlowEngine, window: MainWindow, qtbot: QtBot
) -> None:
    window.show_pane("setup")
    window.pane("setup")._check_signal()  # pyright: ignore
    view = window.findChild(CheckView)
    assert view is not None
    beats: list[float] = []
    timer = QTimer()
    timer.setInterval(5)
    timer.timeout.connect(lambda: beats.append(time.monotonic()))
    timer.start()
    clock = QElapsedTimer()
    clock.start()
    view.reject()
    assert clock.elapsed() < 60_000  # the worker has not heard of it: whoever waited would wait for ever
    qtbot.waitUntil(lambda: len(beats) > 3)
    assert engine.released == []
    engine.heard.set()
    qtbot.waitUntil(lambda: len(engine.released) == 1)
    assert LINGERING.see_off(120)


def test_the_window_closes_while_the_playground_answers(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    thread = PlaygroundThread(window.session.engine, window)
    thread.start()
    thread.ask(PlaygroundQuestion(tmp_path, "Hello?", 0.0, 16))
    thread.let_go()
    assert thread.parent() is None  # the window may go
    assert LINGERING.see_off(120)


@pytest.mark.parametrize(
    ("phase", "shown"),
    [
        (Phase(phase="rollout", step=0, done=1, total=4, unit="completions"), (1, 4)),
        # one of four has ended, three stand at token 10 of at most 20: 20 + 3 x 10 of 80
        (Phase(phase="rollout", step=0, done=1, total=4, tokens=10, most_tokens=20), (50, 80)),
        (Phase(phase="load", step=0), (0, 0)),
    ],
)
def test_the_check_moves_with_every_token(phase: Phase, shown: tuple[int, int]) -> None:
    assert progress_of(phase) == shown
