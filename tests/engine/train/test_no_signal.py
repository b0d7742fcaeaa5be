"""Steps in which no group has a signal: nothing is learnt, so nothing may change."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx
import pytest

from droid_tune.events import Step
from tests.engine.train.conftest import tiny, train

#: no completion of the starter has it, so no reward ever differs
NEVER = [{"type": "format", "pattern": "never found"}]


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_a_step_without_a_signal_changes_no_weight_and_says_so(tmp_path: Path, beta: float) -> None:
    config = tiny(
        method={"type": "grpo", "group_size": 4, "beta": beta},
        training={"iterations": 3},
        rewards=NEVER,
        checkpoint={"save_every": 1, "keep": 0},
    )
    finished, record = train(config, tmp_path)

    assert finished.outcome == "completed", finished.why
    steps = [event for event in record if isinstance(event, Step)]
    assert [(step.applied, step.why) for step in steps] == [(False, "no_signal")] * 3
    if beta:
        assert [step.metrics["kl/k1"] for step in steps] == [pytest.approx(0.0, abs=1e-5)] * 3
    first, last = (
        mx.load(str(tmp_path / "checkpoints" / f"step-{step:06d}" / "adapters.safetensors"))
        for step in (1, 3)
    )
    assert isinstance(first, dict)
    assert isinstance(last, dict)
    assert all(mx.array_equal(first[name], last[name]).item() for name in first)
    assert not any(mx.any(array).item() for name, array in last.items() if name.endswith("lora_b"))


def test_three_steps_without_a_signal_do_not_end_a_run(tmp_path: Path) -> None:
    """As three steps in a row that are no number do."""
    finished, record = train(tiny(training={"iterations": 5}, rewards=NEVER), tmp_path)
    assert finished.outcome == "completed", finished.why
    assert "non_finite" not in {getattr(event, "code", "") for event in record}
