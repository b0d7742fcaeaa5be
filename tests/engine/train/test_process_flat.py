"""The whole process stays as large as it was, over thousands of steps of ragged lengths with all that a run does beside."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from statistics import median

import pytest

from droid_tune.control import Control
from droid_tune.events import Event, Step
from droid_tune.runs.folder import create_run
from droid_tune.train.engine import run_training
from tests.engine.train.conftest import tiny

STEPS = int(os.environ.get("DROID_TUNE_FLAT_STEPS", "2000"))
#: what the process may grow by between the second and the last quarter of the run
SLACK_MB = 16
REWARD = "def reward(completion, row):\n    return (len(completion) % 7) / 7\n"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_footprint_is_flat_with_evaluation_saves_and_a_user_reward(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    dice = random.Random(3)
    for name, rows in (("train", 400), ("valid", 20)):
        lines = [
            {"prompt": " ".join(["two plus"] * dice.randrange(1, 40)), "answer": "4"} for _ in range(rows)
        ]
        (data / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "reward.py").write_text(REWARD)
    config = tiny(
        data={"path": str(data)},
        training={"iterations": STEPS, "batch_size": 1},
        method={"group_size": 2},
        sampling={"max_completion_length": 8},
        rewards=[{"type": "user_file", "path": str(tmp_path / "reward.py")}],
        evaluation={"rows": 2, "steps_per_eval": 25},
        checkpoint={"save_every": 25},
    )
    sizes: list[float] = []

    def emit(event: Event) -> None:
        if isinstance(event, Step):
            sizes.append(event.metrics["memory/process_bytes"] or 0.0)

    create_run(config, tmp_path / "run")
    assert run_training(config, tmp_path / "run", Control(), emit).outcome == "completed"
    assert len(sizes) == STEPS
    quarters = [median(sizes[start : start + STEPS // 4]) / 2**20 for start in range(0, STEPS, STEPS // 4)]
    print("the process in MB, a quarter of the run at a time:", [round(one, 1) for one in quarters])
    assert quarters[-1] - quarters[1] < SLACK_MB
