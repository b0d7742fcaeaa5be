"""A recorded run of 5,000 steps and 80,000 completions, and how long it takes to open, sort and search it.

`python -m tests.benchmarks.long_run FOLDER` makes the run once and prints seconds. What is wanted: first rows within 0.3 s,
a search within 1 s, the whole run within 2 s (the table made before), memory bounded.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from droid_tune.paths import RunPaths
from droid_tune.runs.completions.asking import Wanted, find, groups_of, lines_of, visits_of
from droid_tune.runs.completions.completion_index import CompletionIndex
from tests.ui.recording import started, step_events

STEPS, PROMPTS, GROUP = 5_000, 4, 4
WORDS = ("so we add the two numbers", "that many apples minus", "what she gave away", "in the end")
T = TypeVar("T")


def make_run(folder: Path, steps: int = STEPS) -> Path:
    """The run's files, made by arithmetic and dice."""
    from droid_tune.config import dump_yaml
    from tests.ui.recording import config

    folder.mkdir(parents=True)
    paths, seq = RunPaths(folder), 0
    paths.config.write_text(dump_yaml(config(steps)))
    with paths.events.open("w") as events, paths.rollouts.open("w") as rollouts:
        for event in (
            started(steps),
            *(one for step in range(1, steps + 1) for one in step_events(step, steps)),
        ):
            seq += 1
            stamped = event.model_copy(update={"seq": seq, "time": 1e9 + seq, "run_id": folder.name})
            if event.type == "rollout":
                rollouts.write(json.dumps(longer(json.loads(stamped.model_dump_json()), seq)) + "\n")
            elif event.type != "phase":
                events.write(stamped.model_dump_json() + "\n")
    return folder


def longer(group: dict[str, object], seed: int) -> dict[str, object]:
    """`GROUP` completions of about 400 characters."""
    dice = random.Random(seed)
    completions = [dict(one) for one in group["completions"][:GROUP]]  # pyright: ignore
    for one in completions:
        one["text"] = " ".join(dice.choices(WORDS, k=80)) + " " + one["text"]
    return {**group, "row": seed % 400, "completions": completions}


def timed(name: str, work: Callable[[], T]) -> T:
    """Print what it took, by the wall and by the CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    print(f"{name:44} {time.perf_counter() - wall:6.2f} s  {time.process_time() - cpu:6.2f} s CPU")
    return result


def main(folder: Path) -> None:
    if not folder.exists():
        timed("make the run", lambda: make_run(folder))
    rollouts = RunPaths(folder).rollouts
    index_file = folder / "benchmark.sqlite"
    index_file.unlink(missing_ok=True)
    index = CompletionIndex(rollouts, index_file)
    timed("index it", lambda: list(index.update()))
    print(
        f"{rollouts.stat().st_size / 1e6:.0f} MB of rollouts, {index_file.stat().st_size / 1e6:.0f} MB of index"
    )
    timed("look for news (none)", lambda: list(index.update()))
    ids = timed("all, first page", lambda: (found := find(index, Wanted()), lines_of(index, found[:200])))[0]
    print(f"{len(ids):,} completions")
    for wanted in (
        Wanted(sort="reward", descending=True),
        Wanted(sort="accuracy"),
        Wanted(text="gave away"),
        Wanted(text="no such words"),
        Wanted(text="apples minus", bounds={"reward": (1.0, None)}, sort="length"),
    ):
        found = timed(
            str(wanted)[:44], lambda wanted=wanted: (f := find(index, wanted), lines_of(index, f[:200]))
        )
        print(f"{len(found[0]):,} found")
    timed("visits of every prompt", lambda: visits_of(index))
    timed("groups of every step", lambda: sum(1 for _ in groups_of(index)))
    from ui.work.run_reading import read_run

    timed("read the run", lambda: read_run(folder))
    index.close()
    in_the_window(folder)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB at most")


def in_the_window(folder: Path) -> None:
    """From the wish to the first curves, to the whole past, and to the first rows of the table."""
    from PySide6.QtWidgets import QApplication

    from tests.ui.fake_engine import FakeEngine
    from ui.main_window import MainWindow
    from ui.session import Session
    from ui.settings import Settings
    from ui.theme import Theme
    from ui.work.run_reading import past_of

    app = QApplication([])
    Theme(app, "light")
    session = Session(FakeEngine(), Settings())
    window = MainWindow(session)
    window.resize(1280, 800)
    window.show()
    window.show_pane("monitor")
    until(app, window.isVisible)
    timed("the table made before", lambda: past_of(folder))
    pane = window.pane("monitor")
    until(app, lambda: not pane.prepare())  # pyright: ignore
    session.show_run(folder)
    board = pane.board  # pyright: ignore
    timed("first curves drawn", lambda: until(app, lambda: any(one.content.present for one in board.charts)))
    timed("all of them drawn", lambda: until(app, lambda: not board.busy))
    timed("the whole past read", lambda: until(app, lambda: len(session.shown.series["pass@1"]) == STEPS))
    pane = timed("open Rollouts", lambda: (window.show_pane("rollouts"), window.pane("rollouts"))[1])
    view = pane.completions  # pyright: ignore
    pane.show_view("completions")  # pyright: ignore
    timed("first rows", lambda: until(app, lambda: view.model.rowCount() > 0))
    found: list[object] = []
    pane.desk.found.connect(lambda wanted, _: found.append(wanted.text))  # pyright: ignore
    for text in ("gave away", "It is 44", "no such words"):
        view._search.setText(text)
        timed(f"a search: {text}", lambda text=text: until(app, lambda: text in found))


def until(app: object, there: Callable[[], bool]) -> None:
    """Work events off until something is there, for a minute at most."""
    end = time.monotonic() + 60
    while not there() and time.monotonic() < end:
        app.processEvents()  # pyright: ignore
        time.sleep(0.002)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
