"""Gaps of the GUI thread while a run trains in the window, beside those of a bare heartbeat in the same minutes.

usage: QT_QPA_PLATFORM=offscreen python -m tests.benchmarks.stalls [--steps N] [--switch SECONDS]

A timer of 10 ms beats in the GUI thread; a gap is the time between two beats. Told apart are: from pressing Train to the
first step, and the steps after it. The baseline is the same heartbeat in a process of its own that does nothing else,
while the run trains: what the machine itself takes. Prints how many gaps are over 80 ms, p99 and the longest (ms). No pass
or fail. `--switch` sets Python's switch interval instead of the application's own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Qt, QTimer, Slot

BEAT_MS = 10


class Heartbeat(QObject):
    """Beats, and keeps the gaps between beats in milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps: list[float] = []
        self._before = time.monotonic()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    @Slot()
    def _beat(self) -> None:
        now = time.monotonic()
        self.gaps.append(1000 * (now - self._before))
        self._before = now


def in_words(name: str, gaps: list[float]) -> str:
    """One line."""
    if not gaps:
        return f"{name:24} nothing"
    ordered = sorted(gaps)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    over = sum(gap > 80 for gap in gaps)
    return f"{name:24} {sum(gaps) / 1000:5.1f} s  over 80 ms: {over:3}  p99 {p99:4.0f}  longest {ordered[-1]:5.0f}"


def baseline() -> None:
    """In a process of its own, until it is ended."""
    application = QCoreApplication([])
    heart = Heartbeat()
    QTimer.singleShot(int(1000 * float(sys.argv[2])), application.quit)
    application.exec()
    print(in_words("bare heartbeat", heart.gaps[5:]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--switch", type=float, default=0.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DROID_TUNE_HOME"] = home
        train(given.steps, given.switch, Path(home))


def train(steps: int, switch: float, home: Path) -> None:
    """Open the window, press Train, wait for the end."""
    from ui.app import Application, Preload, let_the_window_in
    from ui.engine_worker import Engine
    from ui.frame.first_paint import FIRST_PAINT
    from ui.main_window import MainWindow
    from ui.session import Session
    from ui.settings import Settings
    from ui.theme import Theme

    application = Application(["droid-tune"])
    let_the_window_in()
    if switch:
        sys.setswitchinterval(switch)
    FIRST_PAINT.open()
    Theme(application, "light")
    session = Session(Engine(), Settings(), application)
    session.draft.set("training.iterations", steps)
    window = MainWindow(session)
    window.show()
    Preload(window).begin()
    heart = Heartbeat()
    marks: list[int] = []

    def press() -> None:
        marks.append(len(heart.gaps))
        window.train()

    def look() -> None:
        if len(marks) == 1 and session.live is not None and session.live.step >= 1:
            marks.append(len(heart.gaps))
        if len(marks) == 2 and not session.training:
            application.quit()

    QTimer.singleShot(6000, press)
    watch = QTimer()
    watch.timeout.connect(look)
    watch.start(50)
    bare = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.stalls", "--bare", "20"], stdout=subprocess.PIPE, text=True
    )
    application.exec()
    print(in_words("Train to the first step", heart.gaps[marks[0] : marks[1]]))
    print(in_words("steps", heart.gaps[marks[1] :]))
    print(bare.communicate()[0].strip())
    window.close()


if __name__ == "__main__":
    baseline() if sys.argv[1:2] == ["--bare"] else main()
