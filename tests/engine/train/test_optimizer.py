from __future__ import annotations

import math

import mlx.core as mx
import mlx.nn as nn
import pytest

from droid_tune.config.run import OptimizerConfig
from droid_tune.train.optimizer import (
    build_optimizer,
    clip_to_norm,
    gradient_norm,
    learning_rate_at,
    optimizer_tensors,
    restore_optimizer,
    set_learning_rate,
)

NAMES = ["adamw", "adam", "adafactor", "lion", "muon"]


def rates(total: int, **settings: object) -> list[float]:
    config = OptimizerConfig.model_validate({"learning_rate": 1.0, **settings})
    return [round(learning_rate_at(config, step, total), 4) for step in range(total)]


def test_a_constant_rate_stays() -> None:
    assert rates(3) == [1.0, 1.0, 1.0]


def test_warm_up_rises_in_a_line_and_reaches_the_rate() -> None:
    assert rates(5, warmup_steps=3) == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_linear_falls_to_the_final_share_at_the_last_step() -> None:
    assert rates(5, schedule="linear") == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert rates(3, schedule="linear", final_fraction=0.5) == [1.0, 0.75, 0.5]


def test_cosine_falls_slowly_then_fast_then_slowly() -> None:
    assert rates(5, schedule="cosine") == [1.0, 0.8536, 0.5, 0.1464, 0.0]


def test_a_run_longer_than_planned_stays_at_the_end_of_its_schedule() -> None:
    config = OptimizerConfig(learning_rate=1.0, schedule="linear", final_fraction=0.1)
    assert learning_rate_at(config, 99, 5) == pytest.approx(0.1)


def test_the_norm_runs_over_all_gradients() -> None:
    norm = gradient_norm({"a": mx.array([3.0]), "b": {"c": mx.array([4.0])}})
    assert norm.item() == 5.0


def test_clipping_scales_all_gradients_alike_and_leaves_small_ones() -> None:
    gradients = {"a": mx.array([3.0]), "b": mx.array([4.0])}
    clipped = clip_to_norm(gradients, gradient_norm(gradients), 1.0)
    assert clipped["a"].item() == pytest.approx(0.6, rel=1e-5)
    assert clip_to_norm(gradients, gradient_norm(gradients), 10.0)["b"].item() == 4.0
    assert clip_to_norm(gradients, gradient_norm(gradients), 0)["b"].item() == 4.0


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = mx.array([[1.0, -2.0], [0.5, 3.0]])
        self.weight = mx.array([[1.0, -2.0], [0.5, 3.0]])
        self.bias = mx.array([1.0, 1.0])


def step(model: Small, optimizer: object, number: int) -> None:
    rate = 0.1 / (number + 1)
    set_learning_rate(optimizer, rate)  # pyright: ignore[reportArgumentType]
    gradients = {
        "embed": mx.array([[0.1, 0.2], [0.3, -0.4]]) * (number + 1),
        "weight": mx.ones((2, 2)),
        "bias": mx.ones(2),
    }
    optimizer.update(model, gradients)  # pyright: ignore[reportAttributeAccessIssue]
    mx.eval(model.parameters(), optimizer.state)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_moves_the_weights_and_goes_on_exactly_from_its_saved_state(name: str) -> None:
    decay = 0.0 if name == "adam" else 0.01
    config = OptimizerConfig.model_validate({"name": name, "learning_rate": 0.1, "weight_decay": decay})
    model, optimizer = Small(), build_optimizer(config)
    before = mx.array(model.weight)
    for number in range(2):
        step(model, optimizer, number)
    assert not mx.array_equal(before, model.weight).item()
    saved = {key: mx.array(value) for key, value in optimizer_tensors(optimizer).items()}
    weights = {key: mx.array(value) for key, value in model.parameters().items()}
    step(model, optimizer, 2)

    again, fresh = Small(), build_optimizer(config)
    again.update(weights)
    restore_optimizer(fresh, saved)
    step(again, fresh, 2)
    for key, value in model.parameters().items():
        assert mx.array_equal(value, again.parameters()[key]).item(), key


@pytest.mark.parametrize("name", [name for name in NAMES if name != "adam"])
def test_weight_decay_pulls_towards_zero(name: str) -> None:
    ends: list[float] = []
    for decay in (0.0, 0.5):
        config = OptimizerConfig.model_validate({"name": name, "learning_rate": 0.1, "weight_decay": decay})
        model, optimizer = Small(), build_optimizer(config)
        step(model, optimizer, 0)
        ends.append(float(mx.abs(model.weight).sum().item()))
    assert ends[1] < ends[0]


def test_adamw_takes_the_step_that_its_paper_gives() -> None:
    model, optimizer = Small(), build_optimizer(OptimizerConfig(learning_rate=0.1))
    optimizer.update(model, {"bias": mx.array([0.5, -0.5])})
    assert model.bias.tolist() == pytest.approx(
        [0.9, 1.1], abs=1e-5
    )  # the first step is the rate times the sign
    assert math.isfinite(sum(model.bias.tolist()))
