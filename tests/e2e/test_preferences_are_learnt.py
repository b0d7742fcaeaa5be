"""Preference methods on real work, over three seeds: held-out pairs are told apart better, and the task is done better.

The pairs: bundled careful and careless answers, the best and worst of a GRPO run's groups, and polite against rude answers of
../shared. The starter does the task of the first two; of the third it learns the tone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import merge, resolve
from droid_tune.control import Control
from droid_tune.events import Event
from droid_tune.runs.completions.preference_pairs import asked_in, pairs_of, rollouts_in, write_pairs
from droid_tune.runs.folder import create_run
from droid_tune.train.engine import run_training

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

#: three standard errors of a share near one half, of 100 rows
LIFT = 0.15
METHODS = ("dpo", "simpo")
SEEDS = (0, 1, 2)
#: what each method makes larger: likelihood against the reference, or likelihood per token (of its own rollouts a model finds
#: the better ones likelier before it learns, nine in ten here, so that of these the margin alone must grow)
MEASURE = {"dpo": "eval/rewards/accuracies", "simpo": "eval/preference_accuracy"}
BASE: dict[str, Any] = {
    "training": {"iterations": 60, "batch_size": 4},
    "optimizer": {"learning_rate": 3e-4},
    "evaluation": {"rows": 100, "steps_per_eval": 0},
    "checkpoint": {"save_every": 1000},
}


def trained(folder: Path, values: dict[str, Any]) -> list[Event]:
    config = resolve(merge(BASE, values))
    create_run(config, folder)
    record: list[Event] = []
    finished = run_training(config, folder, Control(), record.append)
    assert finished.outcome == "completed", finished.why
    return record


def held_out(record: list[Event], metric: str) -> tuple[float, float]:
    """Before and after."""
    values = [event.metrics[metric] or 0.0 for event in record if event.type == "evaluation"]
    return values[0], values[-1]


def task_accuracy(folder: Path, start: Path | None = None) -> float:
    """Greedy answers to the held-out questions of the starter's task, before a first update."""
    values: dict[str, Any] = {"method": "grpo", "training": {"iterations": 1, "batch_size": 1}}
    values["optimizer"] = {"learning_rate": 1e-9}
    if start is not None:
        values["model"] = {"start_from": str(start)}
    return held_out(trained(folder, values), "eval/accuracy")[0]


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> float:
    return task_accuracy(tmp_path_factory.mktemp("untrained") / "run")


@pytest.fixture(scope="module")
def rollout_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of a short GRPO run's groups."""
    folder = tmp_path_factory.mktemp("grpo")
    trained(
        folder / "run",
        {"method": "grpo", "training": {"iterations": 25, "batch_size": 8}, "evaluation": {"rows": 0}},
    )
    made = pairs_of(rollouts_in(folder / "run"), asked_in(None))
    return write_pairs(made, folder / "pairs", 0.2).folder


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("source", ["sample", "rollouts"])
def test_held_out_preference_and_task_accuracy_rise(
    tmp_path: Path, untrained: float, rollout_pairs: Path, source: str, method: str, seed: int
) -> None:
    path = "sample" if source == "sample" else str(rollout_pairs)
    record = trained(tmp_path / "run", {"method": method, "data": {"path": path}, "training": {"seed": seed}})
    preferred = held_out(record, MEASURE[method])
    likelier = held_out(record, "eval/preference_accuracy")
    task = task_accuracy(tmp_path / "task", tmp_path / "run")
    print(f"{source} {method} {seed}: {preferred}, likelier {likelier}, task {untrained:.0%} -> {task:.0%}")
    margin = held_out(record, "eval/rewards/margins")
    assert margin[1] > margin[0]
    if source == "sample" or method == "dpo":
        assert preferred[1] > preferred[0]
        assert preferred[1] >= (0.9 if source == "sample" else 0.6)
    assert task >= untrained + LIFT


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", METHODS)
def test_a_tone_is_learnt_from_real_pairs(tmp_path: Path, shared_dir: Path, method: str, seed: int) -> None:
    rows = json.loads((shared_dir / "data/instruction/instruction-data-with-preference.json").read_text())
    for name, part in (("train", rows[:900]), ("valid", rows[900:])):
        (tmp_path / f"{name}.json").write_text(json.dumps(part), encoding="utf-8")
    values = {
        "method": method,
        "data": {"path": str(tmp_path)},
        "training": {"seed": seed, "batch_size": 8},
        "evaluation": {"rows": 200},
    }
    record = trained(tmp_path / "run", values)
    preferred = held_out(record, MEASURE[method])
    print(f"tone {method} {seed}: {preferred}, likelier {held_out(record, 'eval/preference_accuracy')}")
    assert preferred[1] > preferred[0]
