"""What the window is led through by `window_gaps`: runs told at a pace, and files of every size that a window may meet."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from droid_tune.config import RunConfig, dump_yaml
from droid_tune.events import Completion, Event, RolloutGroup, RunFinished, Step
from droid_tune.paths import RunPaths
from droid_tune.runs.log import EventLog
from tests.benchmarks.long_run import make_run
from tests.ui.recording import complete, metrics_of, started, step_events, write_run
from tests.ui.recording import config as recorded_config

#: seconds of steps at full pace, and how many a second
PACED_S, PACE = 8, 100
LARGE_GROUPS, LARGE_BYTES = 4, 2**20
POINTS = 200_000
RUNS, ROWS, SEARCHED_STEPS = 300, 200_000, 1_000


def make_files(home: Path) -> None:
    """All that is opened, below a folder: `long`, `many` runs, `rows` of data, and a run to be `searched`."""
    make_long_run(home / "long")
    for number in range(RUNS):
        write_run(home / "many" / f"run-{number:03}", complete(8))
    make_rows(home / "rows" / "train.jsonl")
    make_run(home / "searched", SEARCHED_STEPS)


def make_rows(file: Path) -> None:
    """Sums with their answers, one a line."""
    file.parent.mkdir(parents=True)
    with file.open("w") as lines:
        for number in range(ROWS):
            row = {"prompt": f"How much is {number} plus {number % 97}?", "answer": str(number + number % 97)}
            lines.write(json.dumps(row) + "\n")


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
                return tell(folder, paced_steps(), emit, PACE, control)
            case "large":
                return tell(folder, large_groups(), emit, 1, control)
            case _:
                return self._real.train(config, folder, control, emit)


def tell(
    folder: Path, events: Iterator[Event], emit: Callable[[Event], object], pace: float, control: Any
) -> None:
    """Write and tell, so many steps a second, until it is asked to stop."""
    log, last = EventLog(RunPaths(folder).events, RunPaths(folder).rollouts, folder.name), 0
    begun, outcome = time.monotonic(), "completed"
    for event in events:
        emit(log.write(event))
        if isinstance(event, Step):
            last = event.step
            time.sleep(max(0.0, begun + last / pace - time.monotonic()))
        if control.stop_requested():
            outcome = "stopped"
            break
    emit(log.write(RunFinished(outcome=outcome, step=last)))
    log.close()
