"""Gaps of the GUI thread in every phase of a run, the heaviest ones included, by the CPU that was used within each gap.

usage: QT_QPA_PLATFORM=offscreen python -m tests.benchmarks.window_gaps [--json]

A timer of 10 ms beats in the GUI thread. Of each gap between two beats three things are kept: the wall's time (which other
programs stretch), the GUI thread's own CPU, and the CPU of the whole process (which its other threads share, some of it
without keeping the window waiting). The phases are those of `Course`. Wished for are p99 50 ms and 150 ms at most, of the
GUI thread's CPU.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, QTimer, Slot

from droid_tune.config import resolve
from droid_tune.paths import runs_dir
from tests.benchmarks.gap_scenes import (
    LARGE_GROUPS,
    PACE,
    PACED_S,
    POINTS,
    ROWS,
    RUNS,
    FeedingEngine,
    make_files,
)

BEAT_MS = 10
#: between two keys that are typed
KEY_S = 0.08


@dataclass
class Gaps:
    """Of one phase, in milliseconds: by the wall, by the GUI thread's CPU, by the process's CPU."""

    wall: list[float] = field(default_factory=list[float])
    thread: list[float] = field(default_factory=list[float])
    process: list[float] = field(default_factory=list[float])

    def figures(self) -> dict[str, dict[str, float]]:
        """p99 and the longest of each."""
        return {name: {"p99": p99(gaps), "max": max(gaps, default=0.0)} for name, gaps in vars(self).items()}


def p99(gaps: list[float]) -> float:
    ordered = sorted(gaps)
    return ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))] if ordered else 0.0


class CpuHeartbeat(QObject):
    """Beats in the thread that made it; what passes between two beats belongs to the phase that is on."""

    def __init__(self) -> None:
        super().__init__()
        self.phases: dict[str, Gaps] = {}
        self._on: Gaps | None = None
        self._before = clocks()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def begin(self, phase: str) -> None:
        """What follows is of this phase."""
        self._beat()
        self._on = self.phases.setdefault(phase, Gaps())

    def pause(self) -> None:
        """What follows is of no phase."""
        self._beat()
        self._on = None

    @Slot()
    def _beat(self) -> None:
        now = clocks()
        if self._on is not None:
            for gaps, after, before in zip(vars(self._on).values(), now, self._before, strict=True):
                gaps.append(1000 * (after - before))
        self._before = now


def clocks() -> tuple[float, float, float]:
    return time.monotonic(), time.thread_time(), time.process_time()


class Course(QObject):
    """Leads the window through the phases, one after the other; `files` holds what `make_files` made."""

    def __init__(self, window: Any, heart: CpuHeartbeat, files: Path, done: Callable[[], object]) -> None:
        super().__init__()
        self._window, self._heart, self._files, self._done = window, heart, files, done
        self._course = self._phases()
        self._wait: Callable[[], bool] = lambda: True
        self._looking = QTimer(self)
        self._looking.setInterval(20)
        self._looking.timeout.connect(self._look)
        self._looking.start()

    @Slot()
    def _look(self) -> None:
        if not self._wait():
            return
        try:
            self._wait = next(self._course)
        except StopIteration:
            self._looking.stop()
            self._done()

    def _phases(self) -> Iterator[Callable[[], bool]]:
        yield after(4.0)  # the window has come in
        for phase in (self._real, self._paced, self._large, self._long, self._searched, self._many):
            yield from phase()
        yield from self._rows()
        yield from self._closed()
        self._heart.pause()

    def _real(self) -> Iterator[Callable[[], bool]]:
        session = self._window.session
        self._heart.begin("train pressed, monitor shown")
        self._window.train()
        yield lambda: session.live is not None and session.live.step >= 1
        self._heart.begin("steps")
        yield lambda: not session.training
        yield after(0.5)  # the result has come up

    def _paced(self) -> Iterator[Callable[[], bool]]:
        self._heart.begin("100 steps a second")
        self._train("paced", PACED_S * PACE)
        yield after(0.5)
        yield lambda: not self._window.session.training

    def _large(self) -> Iterator[Callable[[], bool]]:
        self._heart.begin("completions of 1 MB")
        self._train("large", LARGE_GROUPS)
        yield after(0.3)
        self._window.show_pane("rollouts")
        yield after(0.3)
        yield lambda: not self._window.session.training
        self._window.pane("rollouts").show_view("completions")
        yield after(3.0)

    def _long(self) -> Iterator[Callable[[], bool]]:
        self._heart.begin("200,000 points")
        self._window.show_pane("monitor")
        yield after(0.3)
        yield from self._show_run("long")
        yield lambda: len(self._window.session.shown.series.get("loss", ())) == POINTS // 8
        yield after(3.0)

    def _searched(self) -> Iterator[Callable[[], bool]]:
        self._heart.begin("16,000 completions, a search typed")
        yield from self._show_run("searched")
        pane = self._window.pane("rollouts")
        self._window.show_pane("rollouts")
        pane.show_view("completions")
        yield lambda: pane.desk.read_bytes == pane.desk.rollouts.stat().st_size
        yield from typed("gave away", pane.completions._search.setText)
        yield after(1.0)

    def _many(self) -> Iterator[Callable[[], bool]]:
        session = self._window.session
        home = runs_dir()
        for run in (self._files / "many").iterdir():
            run.rename(home / run.name)
        self._heart.begin("300 runs, a search typed")
        self._window.show_pane("runs")
        session.refresh_runs()
        yield lambda: len(session.runs) >= RUNS
        yield after(1.0)
        pane = self._window.pane("runs")
        yield from typed("run-00", pane._list.search.setText)
        yield after(1.0)
        self._heart.begin("four runs compared")
        pane._list.choose({f"run-{number:03}" for number in range(4)})
        yield after(0.5)
        pane.compare_chosen()
        yield after(3.0)

    def _rows(self) -> Iterator[Callable[[], bool]]:
        self._heart.begin("200,000 rows of data, a search typed")
        self._window.show_pane("data")
        yield after(0.3)
        pane = self._window.pane("data")
        self._window.session.set_data(str(self._files / "rows"))
        yield lambda: pane._rows.rows is not None and len(pane._rows.rows) == ROWS
        for view in ("issues", "statistics", "columns", "tools", "rows"):
            pane.show_view(view)
            yield after(0.5)
        find = self._window._find_bar
        find.open_for(pane)
        yield from typed("197777", find.field.setText)
        yield after(1.0)

    def _closed(self) -> Iterator[Callable[[], bool]]:
        session = self._window.session
        self._heart.pause()
        self._window.show_pane("monitor")
        self._train("paced", PACED_S * PACE)
        yield after(1.0)
        self._heart.begin("closed while it trains")
        self._window.close()
        yield after(0.3)
        self._window._closing._stop_when_saved()
        yield lambda: not session.training and not self._window.isVisible()

    def _train(self, name: str, steps: int) -> None:
        self._window.session.train(resolve({"name": name, "training": {"iterations": steps}}))

    def _show_run(self, name: str) -> Iterator[Callable[[], bool]]:
        folder = self._files / name
        self._window.session.show_run(folder)
        yield lambda: self._window.session.shown_folder == folder


def typed(text: str, take: Callable[[str], object]) -> Iterator[Callable[[], bool]]:
    """Key by key into something that takes text."""
    for end in range(1, len(text) + 1):
        take(text[:end])
        yield after(KEY_S)


def after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def measure(home: Path) -> dict[str, Gaps]:
    """Open the window, lead it through, and close it."""
    from ui.app import Application, Preload, let_the_window_in
    from ui.engine_worker import Engine
    from ui.frame.collector import Collector
    from ui.frame.first_paint import FIRST_PAINT
    from ui.main_window import MainWindow
    from ui.session import Session
    from ui.settings import Settings
    from ui.theme import Theme

    runs_dir().mkdir(parents=True, exist_ok=True)
    make_files(home / "files")
    application = Application(["droid-tune"])
    application.setQuitOnLastWindowClosed(False)
    let_the_window_in()
    FIRST_PAINT.open()
    Theme(application, "light")
    engine: Any = FeedingEngine(Engine())
    session = Session(engine, Settings(), application)
    session.draft.set("training.iterations", 3)
    window = MainWindow(session)
    window.resize(1280, 800)
    window.show()
    Preload(window).begin()
    collector = Collector(application)
    collector.start()
    heart = CpuHeartbeat()
    course = Course(window, heart, home / "files", application.quit)
    application.exec()
    collector.stop()
    course.deleteLater()
    window.close()
    return heart.phases


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["DROID_TUNE_HOME"] = home
        phases = measure(Path(home))
    if "--json" in sys.argv:
        print(json.dumps({name: gaps.figures() for name, gaps in phases.items()}))
        return
    for name, gaps in phases.items():
        said = (f"{kind} p99 {one['p99']:4.0f} max {one['max']:5.0f}" for kind, one in gaps.figures().items())
        print(f"{name:36} {len(gaps.wall):5} gaps (ms): {'   '.join(said)}")


if __name__ == "__main__":
    main()
