"""A step that gives no number is not applied, harms no save, and a resume goes on as if nothing had been stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from droid_tune.events import CheckpointSaved, Step
from droid_tune.train.learners import policy_gradient
from tests.engine.train.conftest import digest, resume, tiny, train

CONFIG = tiny(
    method={"entropy_target": 50.0, "entropy_coef": 0.01},
    training={"iterations": 3},
    checkpoint={"save_every": 1, "keep": 0},
)


@pytest.fixture
def broken_second_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model gives NaN throughout the second update."""
    real, calls = policy_gradient.loss_and_gradients, 0

    def wrapped(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        value, gradients, parts = real(*args, **options)
        if calls != 2:
            return value, gradients, parts
        nothing = float("nan")
        return nothing, gradients, [dict.fromkeys(part, nothing) for part in parts]

    monkeypatch.setattr(policy_gradient, "loss_and_gradients", wrapped)


@pytest.mark.usefixtures("broken_second_step")
def test_the_save_after_it_holds_and_a_resume_from_it_is_exact(tmp_path: Path) -> None:
    import shutil

    run = tmp_path / "run"
    finished, record = train(CONFIG, run)
    assert finished.outcome == "completed", finished.why
    assert [event.applied for event in record if isinstance(event, Step)] == [True, False, True]
    assert [event.step for event in record if isinstance(event, CheckpointSaved)] == [1, 2, 3]

    whole = digest(run)
    shutil.rmtree(run / "checkpoints" / "step-000003")
    resumed, _ = resume(run)
    assert resumed.outcome == "completed", resumed.why
    assert digest(run) == whole
