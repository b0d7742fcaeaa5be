"""A preference run that is stopped anywhere and gone on with ends with the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import RunConfig, resolve
from droid_tune.control import Control
from droid_tune.events import Event
from droid_tune.runs.folder import create_run
from droid_tune.train.engine import run_training
from tests.engine.train.conftest import digest, resume, train
from tests.engine.train.test_preference_learner import PAIRS, VERDICTS

#: dropout, accumulation, a schedule and held-out rows; the rows come twice, so that what is known of them matters
DEMANDING: dict[str, Any] = {
    "training": {"iterations": 4, "batch_size": 2, "gradient_accumulation_steps": 2},
    "adapter": {"dropout": 0.1, "rank": 4},
    "optimizer": {"learning_rate": 1e-3, "schedule": "cosine", "warmup_steps": 2},
    "evaluation": {"rows": 2, "steps_per_eval": 2},
    "checkpoint": {"save_every": 2},
}
METHODS = {
    "dpo": {"type": "dpo"},
    "kto": {"type": "kto"},
    "bco": {"type": "bco"},
}


@pytest.mark.parametrize("name", METHODS)
def test_a_stopped_run_ends_with_the_bytes_of_one_that_was_not(tmp_path: Path, name: str) -> None:
    method = METHODS[name]
    rows = VERDICTS if method["type"] in ("kto", "bco") else PAIRS
    for split in ("train", "valid"):
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = resolve({**DEMANDING, "method": method, "data": {"path": str(tmp_path)}})
    finished, _ = train(config, tmp_path / "whole")
    assert finished.outcome == "completed"
    assert stopped_within_step_four(config, tmp_path / "run") == "stopped"
    assert resume(tmp_path / "run")[0].outcome == "completed"
    assert digest(tmp_path / "run") == digest(tmp_path / "whole")


def stopped_within_step_four(config: RunConfig, folder: Path) -> str:
    """The run is stopped while the gradient of its last update is gathered; how it ended."""
    control = Control()

    def emit(event: Event) -> None:
        if event.type == "phase" and event.phase == "update" and event.step == 3:
            control.request_stop()

    return run_training(config, create_run(config, folder), control, emit).outcome
