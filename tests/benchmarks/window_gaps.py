"""Gaps of the GUI thread in every phase of a run, the heaviest ones included, by the CPU that was used within each gap.

usage: QT_QPA_PLATFORM=offscreen python -m tests.benchmarks.window_gaps [--json]

A timer of 10 ms beats in the GUI thread. Of each gap between two beats three things are kept: the wall's time (which other
programs stretch), the GUI thread's own CPU, and the CPU of the whole process (which its other threads share, some of it
without keeping the window waiting). Phases: the first press of Train with the first showing of Monitor and the first steps
of the real engine on the starter; 100 steps a second; groups of 8 completions of 1 MB while the Rollouts pane is shown; a
run of 200,000 points that is opened. Wished for are p99 50 ms and 150 ms at most, of the GUI thread's CPU.
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

from droid_tune.config import RunConfig, dump_yaml, resolve
from droid_tune.events import Completion, Event, RolloutGroup, RunFinished, Step
from droid_tune.paths import RunPaths, runs_dir
from droid_tune.runs.log import EventLog
from tests.ui.recording import config as recorded_config
from tests.ui.recording import metrics_of, started, step_events

BEAT_MS = 10
#: seconds of steps at full pace, and how many a second
PACED_S, PACE = 8, 100
LARGE_GROUPS, LARGE_BYTES = 4, 2**20
POINTS = 200_000


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


def paced_steps() -> Iterator[Event]:
    """Eight seconds of a hundred steps a second, each with its four groups of eight."""
    yield started(PACED_S * PACE)
    for step in range(1, PACED_S * PACE + 1):
        yield from step_events(step, PACED_S * PACE)


def large_groups() -> Iterator[Event]:
    """Steps whose completions are a megabyte each."""
    yield started(LARGE_GROUPS)
    for step in range(1, LARGE_GROUPS + 1):
        texts = [f"{number} apples and {step} more. " * (LARGE_BYTES // 22) for number in range(8)]
        completions = [
            Completion(
                text=text,
                reward=number / 8,
                rewards={"accuracy": number / 8},
                advantage=0.0,
                length=250_000,
                finish_reason="length",
            )
            for number, text in enumerate(texts)
        ]
        yield RolloutGroup(
            step=step, group=0, row=step, prompt="How many?", answer="7", completions=completions
        )
        yield Step(step=step, metrics={"reward": 0.4, "loss": 0.1, "step_time": 1.0})


def make_long_run(folder: Path) -> None:
    """A finished run whose curves have POINTS points: 25,000 steps of eight metrics."""
    import random

    dice, steps = random.Random(1), POINTS // 8
    folder.mkdir(parents=True)
    RunPaths(folder).config.write_text(dump_yaml(recorded_config(steps)))
    names = list(metrics_of(1, steps, [0.0, 1.0], dice))[:8]
    with RunPaths(folder).events.open("w") as lines:
        events: list[Event] = [started(steps)]
        events += [
            Step(step=step, metrics={name: dice.random() for name in names}) for step in range(1, steps + 1)
        ]
        events.append(RunFinished(outcome="completed", step=steps))
        for seq, event in enumerate(events, start=1):
            lines.write(event.model_copy(update={"seq": seq, "time": 1e9 + seq}).model_dump_json() + "\n")


class FeedingEngine:
    """The real engine, or for a run with one of these names what the name says, from the engine's own thread."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def train(self, config: RunConfig, folder: Path, control: Any, emit: Callable[[Event], object]) -> object:
        match config.name:
            case "paced":
                return tell(folder, paced_steps(), emit, PACE)
            case "large":
                return tell(folder, large_groups(), emit, 1)
            case _:
                return self._real.train(config, folder, control, emit)


def tell(folder: Path, events: Iterator[Event], emit: Callable[[Event], object], pace: float) -> None:
    """Write and tell, so many steps a second."""
    log, last = EventLog(RunPaths(folder).events, RunPaths(folder).rollouts, folder.name), 0
    begun = time.monotonic()
    for event in events:
        emit(log.write(event))
        if isinstance(event, Step):
            last = event.step
            time.sleep(max(0.0, begun + last / pace - time.monotonic()))
    emit(log.write(RunFinished(outcome="completed", step=last)))
    log.close()


class Course(QObject):
    """Leads the window through the phases, one after the other."""

    def __init__(self, window: Any, heart: CpuHeartbeat, long_run: Path, done: Callable[[], object]) -> None:
        super().__init__()
        self._window, self._heart, self._long_run, self._done = window, heart, long_run, done
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
        window, session, heart = self._window, self._window.session, self._heart
        yield after(4.0)  # the window has come in
        heart.begin("train pressed, monitor shown")
        window.train()
        yield lambda: session.live is not None and session.live.step >= 1
        heart.begin("steps")
        yield lambda: not session.training
        heart.begin("100 steps a second")
        session.train(resolve({"name": "paced", "training": {"iterations": PACED_S * PACE}}))
        yield after(0.5)
        yield lambda: not session.training
        heart.begin("completions of 1 MB")
        session.train(resolve({"name": "large", "training": {"iterations": LARGE_GROUPS}}))
        yield after(0.3)
        window.show_pane("rollouts")
        yield after(0.3)
        yield lambda: not session.training
        window.pane("rollouts").show_view("completions")
        yield after(3.0)
        heart.begin("200,000 points")
        window.show_pane("monitor")
        yield after(0.3)
        session.show_run(self._long_run)
        yield lambda: len(session.shown.series.get("loss", ())) == POINTS // 8
        yield after(3.0)
        heart.pause()


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

    long_run = runs_dir() / "long"
    make_long_run(long_run)
    application = Application(["droid-tune"])
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
    course = Course(window, heart, long_run, application.quit)
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
        print(f"{name:30} {len(gaps.wall):5} gaps (ms): {'   '.join(said)}")


if __name__ == "__main__":
    main()
