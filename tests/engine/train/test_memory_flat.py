"""Hundreds of steps of ragged lengths: memory stays where it was after the first few, and shapes stay few."""

from __future__ import annotations

import gc
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
import pytest

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.config.sampling import SamplingConfig
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.gradients.bodies import Bodies
from droid_tune.model.gradients.scoring import loss_and_gradients
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.plan_for import LEAST_KEPT
from droid_tune.rollout.generate import generate
from tests.engine.model.tiny import VOCABULARY, tiny_policy
from tests.engine.train.conftest import tiny, train

STEPS, WARM = 300, 100
#: what a report may differ by from step to step: the last step's small arrays
SLACK = 16 * 1024
BUDGET_MB = 1024
MOST_SHAPES = 64


@dataclass
class Watched:
    """Bytes in use and kept for reuse after each step, and the shapes that training passes ran with."""

    active: list[int] = field(default_factory=list)
    cache: list[int] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    cache_limit: int = 0

    def read(self) -> None:
        self.active.append(mx.get_active_memory())
        self.cache.append(mx.get_cache_memory())


@pytest.fixture(scope="module")
def noting_shapes() -> Iterator[list[tuple[int, ...]]]:
    """The shape of every training pass over rows, completions alone or whole."""
    seen: list[tuple[int, ...]] = []
    whole, completions = Bodies.whole, Bodies.completions

    def noted_whole(self: Bodies, batch: Any) -> Any:
        seen.append(("whole", *batch.tokens.shape))  # pyright: ignore[reportArgumentType]
        return whole(self, batch)

    def noted_completions(self: Bodies, flat: Any, tokens: mx.array) -> Any:
        seen.append(("completions", *tokens.shape))  # pyright: ignore[reportArgumentType]
        return completions(self, flat, tokens)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bodies, "whole", noted_whole)
        patch.setattr(Bodies, "completions", noted_completions)
        gc.collect()  # what earlier tests left must not be counted here
        yield seen


@pytest.fixture(scope="module")
def supervised(tmp_path_factory: pytest.TempPathFactory, noting_shapes: list[tuple[int, ...]]) -> Watched:
    """A run of the engine over rows of 10 to 110 tokens."""
    folder = tmp_path_factory.mktemp("ragged")
    draw = random.Random(0)
    rows = [
        {"prompt": "Add " + "2 and " * draw.randint(1, 36) + "2.", "completion": "4 " * draw.randint(1, 36)}
        for _ in range(STEPS)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "train.jsonl").write_text(text, encoding="utf-8")
    config = tiny(
        method={"type": "sft"},
        rewards=[],
        data={"path": str(folder / "train.jsonl")},
        training={"iterations": STEPS, "batch_size": 1},
        adapter={"rank": 2, "layers": 1},
        checkpoint={"save_every": STEPS},
        memory={"budget_mb": BUDGET_MB},
    )
    noting_shapes.clear()
    before = mx.set_cache_limit(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROID_TUNE_HOME", str(folder / "home"))
        end, record = train(config, folder / "run")
    assert end.outcome == "completed", end.why
    steps = [event.metrics for event in record if event.type == "step"]
    return Watched(
        [int(step["memory/active_bytes"] or 0) for step in steps],
        [int(step["memory/cache_bytes"] or 0) for step in steps],
        list(noting_shapes),
        mx.set_cache_limit(before),  # tells the limit that the run had set
    )


@pytest.fixture(scope="module")
def reinforced(noting_shapes: list[tuple[int, ...]]) -> Watched:
    """Four completions of a random prompt, and the update: both lengths change from step to step."""
    policy = tiny_policy("llama", AdapterConfig(rank=2, scale=2.0), num_hidden_layers=1)
    optimizer, draw, plan = optim.Adam(1e-4), np.random.default_rng(0), MemoryPlan(train_rows=3)
    watched = Watched()
    noting_shapes.clear()
    for step in range(STEPS):
        prompts = [draw.integers(2, VOCABULARY, draw.integers(3, 120)).tolist()]
        longest = int(draw.integers(2, 14))
        sampling = SamplingConfig(max_completion_length=longest)
        rollout = generate(policy, prompts, group_size=4, sampling=sampling, seed=step, plan=plan)
        rows = ScoringRows.of_groups(prompts, 4, rollout.tokens, rollout.completion_mask)
        _update(policy, optimizer, rows, plan)
        watched.read()
    watched.shapes = list(noting_shapes)
    return watched


def _update(policy: Any, optimizer: optim.Optimizer, rows: ScoringRows, plan: MemoryPlan) -> None:
    def loss(index: Any, logprobs: mx.array, _: Any) -> Any:
        return -(logprobs * mx.array(rows.completion_mask[index])).sum() / len(rows), {}

    _, gradients, _ = loss_and_gradients(policy, rows, loss, temperature=1.0, plan=plan, with_entropy=True)
    optimizer.update(policy.model, gradients)
    mx.eval(policy.model.trainable_parameters(), optimizer.state)


@pytest.fixture(params=["supervised", pytest.param("reinforced", marks=pytest.mark.slow)])
def watched(request: pytest.FixtureRequest) -> Watched:
    return request.getfixturevalue(request.param)


def test_memory_in_use_does_not_grow_with_the_steps(watched: Watched) -> None:
    assert len(watched.active) == STEPS
    assert max(watched.active[WARM:]) <= max(watched.active[:WARM]) + SLACK
    assert np.mean(watched.active[-WARM:]) <= np.mean(watched.active[WARM:-WARM]) + SLACK / 16


def test_memory_kept_for_reuse_stops_growing(supervised: Watched) -> None:
    """Ragged lengths would ask for arrays of ever new sizes."""
    assert supervised.cache[-1] <= 1.2 * max(supervised.cache[:WARM])


def test_a_run_limits_what_is_kept_for_reuse(supervised: Watched) -> None:
    assert (
        supervised.cache_limit == LEAST_KEPT < BUDGET_MB * 2**20 // 16
    )  # the run's own peak is some megabytes


def test_training_passes_have_few_shapes(watched: Watched) -> None:
    """Without a grid of lengths 300 ragged steps would have hundreds."""
    assert len(watched.shapes) >= STEPS
    assert len(set(watched.shapes)) <= MOST_SHAPES
