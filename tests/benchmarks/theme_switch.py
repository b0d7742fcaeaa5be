"""What a switch between light and dark costs the GUI thread, with every pane built and a run of 60 steps shown.

usage: QT_QPA_PLATFORM=offscreen python -m tests.benchmarks.theme_switch [--rounds N]

Prints CPU milliseconds (least and median) of each part of a switch and of the whole, from the call to the repaint. No pass
or fail.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from PySide6.QtCore import QThreadPool
from PySide6.QtWidgets import QApplication

from ui.app import Application
from ui.main_window import MainWindow
from ui.panes.table import PANES_BY_KEY
from ui.session import Session
from ui.settings import Settings
from ui.theme import Appearance, Theme


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=6)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DROID_TUNE_HOME"] = home
        measure(given.rounds, Path(home))


def measure(rounds: int, home: Path) -> None:
    """Open the window with all panes and switch to and fro."""
    from tests.ui.fake_engine import FakeEngine
    from tests.ui.recording import complete, write_run

    application = Application(["droid-tune"])
    theme = Theme(application, "light")
    session = Session(FakeEngine(), Settings())
    window = MainWindow(session)
    window.show()
    session.show_run(write_run(home / "runs" / "run", complete(60)))
    session.refresh_runs()
    for key in PANES_BY_KEY:
        window.show_pane(key)
        settle(application)
    window.show_pane("setup")
    settle(application)
    print(f"{len(application.allWidgets())} widgets")
    taken: list[float] = []
    looks: tuple[Appearance, Appearance] = ("dark", "light")
    for number in range(rounds):
        start = time.thread_time()
        theme.apply(looks[number % 2])
        application.processEvents()
        taken.append(1000 * (time.thread_time() - start))
    print(f"switch {min(taken):8.0f} ms least  {statistics.median(taken):8.0f} ms median")
    window.close()


def settle(application: QApplication) -> None:
    """Until what runs in the background has been drawn."""
    for _ in range(3):
        QThreadPool.globalInstance().waitForDone(5000)
        application.processEvents()


if __name__ == "__main__":
    main()
