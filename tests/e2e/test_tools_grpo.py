"""The bundled example of tools and turns: with the settings of a first start the model learns to use its tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from droid_tune.config import resolve
from droid_tune.config.files.config_file import read_config_file
from droid_tune.events import RolloutGroup
from droid_tune.paths import tools_starter_dir
from tests.e2e.test_starter_grpo import average, train_in_a_thread

LIFT = 0.25


def valid_share(groups: list[RolloutGroup]) -> float:
    """Of all tries to call a tool, the share that was carried out."""
    turns = [turn for group in groups for one in group.completions for turn in one.turns]
    results = [turn for turn in turns if turn.role == "tool"]
    return sum(not turn.failed for turn in results) / max(1, len(results))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_grpo_teaches_the_starter_to_use_its_tools(tmp_path: Path, seed: int) -> None:
    values = read_config_file(tools_starter_dir() / "run.yaml").values
    config = resolve({**values, "training": {"seed": seed}})
    finished, record = train_in_a_thread(tmp_path / "run", config)
    assert finished.outcome == "completed", finished.why
    accuracy = [
        event.metrics["eval/accuracy"]
        for event in record
        if event.type == "evaluation" and event.metrics["eval/accuracy"] is not None
    ]
    groups = [event for event in record if event.type == "rollout" and not event.held_out]
    last_step = max(group.step for group in groups)
    first = valid_share([group for group in groups if group.step <= 5])
    last = valid_share([group for group in groups if group.step > last_step - 5])
    rewards = [event.metrics["reward"] for event in record if event.type == "step"]
    print(
        f"seed {seed}: greedy accuracy {accuracy[0]:.0%} -> {accuracy[-1]:.0%}, valid calls {first:.0%} -> {last:.0%}, "
        f"reward {average(rewards[:10]):.2f} -> {average(rewards[-10:]):.2f}"
    )
    assert accuracy[-1] - accuracy[0] >= LIFT
    assert last > first
    assert average(rewards[-10:]) > average(rewards[:10])
