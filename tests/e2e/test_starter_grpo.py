"""What every newcomer sees first: GRPO on the bundled model and data, with the settings of a first start, works.

It is also a test of the truth of the whole engine: with a wrong sign, mask or log-probability nothing is learnt.
"""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest

from droid_tune.config import RunConfig, resolve
from droid_tune.control import Control
from droid_tune.events import Event, RunFinished
from droid_tune.runs.folder import create_run
from droid_tune.train.engine import run_training

LIFT = 0.25


def train_in_a_thread(folder: Path, config: RunConfig) -> tuple[RunFinished, list[Event]]:
    """As the window does it: a thread of its own for each run."""
    create_run(config, folder)
    record: list[Event] = []
    ends: list[RunFinished] = []

    def run() -> None:
        ends.append(run_training(config, folder, Control(), record.append))

    thread = Thread(target=run)
    thread.start()
    thread.join()
    return ends[0], record


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_grpo_brings_out_what_the_starter_knows(tmp_path: Path, seed: int) -> None:
    config = resolve({"training": {"seed": seed}, "evaluation": {"rows": 100}})
    finished, record = train_in_a_thread(tmp_path / "run", config)
    assert finished.outcome == "completed", finished.why
    accuracy = [
        event.metrics["eval/accuracy"]
        for event in record
        if event.type == "evaluation" and event.metrics["eval/accuracy"] is not None
    ]
    rewards = [event.metrics["reward"] for event in record if event.type == "step"]
    first, last = average(rewards[:10]), average(rewards[-10:])
    print(
        f"seed {seed}: greedy accuracy {accuracy[0]:.0%} -> {accuracy[-1]:.0%}, reward {first:.2f} -> {last:.2f}"
    )
    assert accuracy[-1] - accuracy[0] >= LIFT
    assert last > first


def average(values: list[float | None]) -> float:
    present = [value for value in values if value is not None]
    return sum(present) / len(present)
