"""The truth of each method: trained on the bundled model and data, greedy answers to held-out rows get better.

A wrong sign, mask, normaliser or log-probability anywhere between sampler and optimizer fails these.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.control import Control
from droid_tune.events import Event
from droid_tune.runs.folder import create_run
from droid_tune.train.engine import run_training

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

#: a lift that 100 rows do not give by chance (three standard errors of a share near one half)
LIFT = 0.15
REINFORCEMENT = [name for name, config in METHOD_CONFIGS.items() if issubclass(config, PolicyMethodConfig)]
#: the losses behind "advanced" that no method takes by default
FURTHER_LOSSES: dict[str, dict[str, Any]] = {
    "cispo": {"epsilon_high": 5.0},
    "sapo": {},
    "luspo": {"importance_sampling_level": "sequence"},
    "vespo": {},
    "reinforce": {},
}


def trained(folder: Path, method: dict[str, Any], iterations: int = 30) -> list[Event]:
    config = resolve(
        {
            "method": method,
            "training": {"iterations": iterations},
            "evaluation": {"rows": 100, "steps_per_eval": 0},
            "checkpoint": {"save_every": 1000},
        }
    )
    create_run(config, folder)
    record: list[Event] = []
    finished = run_training(config, folder, Control(), record.append)
    assert finished.outcome == "completed", finished.why
    return record


def held_out(record: list[Event], metric: str) -> list[float]:
    return [event.metrics[metric] or 0.0 for event in record if event.type == "evaluation"]


@pytest.mark.parametrize("name", REINFORCEMENT)
def test_held_out_accuracy_rises_by_every_reinforcement_method(tmp_path: Path, name: str) -> None:
    accuracy = held_out(trained(tmp_path / "run", {"type": name}), "eval/accuracy")
    print(f"{name}: {accuracy[0]:.0%} -> {accuracy[-1]:.0%}")
    assert accuracy[-1] - accuracy[0] >= LIFT


@pytest.mark.parametrize("loss", FURTHER_LOSSES)
def test_held_out_accuracy_rises_by_every_further_loss(tmp_path: Path, loss: str) -> None:
    method = {"type": "grpo", "beta": 0.0, "loss_type": loss, **FURTHER_LOSSES[loss]}
    accuracy = held_out(trained(tmp_path / "run", method), "eval/accuracy")
    print(f"{loss}: {accuracy[0]:.0%} -> {accuracy[-1]:.0%}")
    assert accuracy[-1] - accuracy[0] >= LIFT


def test_gspo_learns_where_its_clip_acts(tmp_path: Path) -> None:
    record = trained(tmp_path / "run", {"type": "gspo", "num_iterations": 2})
    accuracy = held_out(record, "eval/accuracy")
    clipped = [event.metrics["clip_ratio/region_mean"] or 0.0 for event in record if event.type == "step"]
    print(f"gspo x 2: {accuracy[0]:.0%} -> {accuracy[-1]:.0%}")
    assert accuracy[-1] - accuracy[0] >= LIFT
    assert max(clipped) > 0


@pytest.mark.parametrize("packing", [False, True])
def test_held_out_loss_falls_by_sft(tmp_path: Path, packing: bool) -> None:
    record = trained(tmp_path / "run", {"type": "sft", "packing": packing}, iterations=60)
    loss, perplexity = held_out(record, "eval/loss"), held_out(record, "eval/perplexity")
    print(f"sft: {loss[0]:.3f} -> {loss[-1]:.3f}")
    assert loss[-1] < 0.8 * loss[0]
    assert perplexity[-1] < perplexity[0]
