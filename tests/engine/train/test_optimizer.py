from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import pytest

from droid_tune.config.training_config import OptimizerConfig
from droid_tune.train.updating.fused_adam import FusedAdam
from droid_tune.train.updating.muon import orthogonal
from droid_tune.train.updating.optimizer import (
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
    assert rates(3, schedule="constant") == [1.0, 1.0, 1.0]


def test_warm_up_rises_in_a_line_and_reaches_the_rate() -> None:
    assert rates(5, schedule="constant", warmup_steps=3) == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates(5, warmup_steps=3) == [0.25, 0.5, 0.75, 1.0, 0.5]


def test_linear_falls_to_the_final_share_behind_the_last_step() -> None:
    assert rates(5, schedule="linear") == [1.0, 0.8, 0.6, 0.4, 0.2]
    assert rates(2, schedule="linear", final_fraction=0.5) == [1.0, 0.75]


def test_linear_is_what_a_config_has_that_names_no_schedule() -> None:
    assert rates(5) == rates(5, schedule="linear")


def test_cosine_falls_slowly_then_fast_then_slowly() -> None:
    assert rates(5, schedule="cosine") == [1.0, 0.9045, 0.6545, 0.3455, 0.0955]


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
    model, optimizer = Small(), build_optimizer(config, {})
    before = mx.array(model.weight)
    for number in range(2):
        step(model, optimizer, number)
    assert not mx.array_equal(before, model.weight).item()
    saved = {key: mx.array(value) for key, value in optimizer_tensors(optimizer).items()}
    weights = {key: mx.array(value) for key, value in model.parameters().items()}
    step(model, optimizer, 2)

    again, fresh = Small(), build_optimizer(config, {})
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
        model, optimizer = Small(), build_optimizer(config, {})
        step(model, optimizer, 0)
        ends.append(float(mx.abs(model.weight).sum().item()))
    assert ends[1] < ends[0]


def test_adamw_takes_the_step_that_its_paper_gives() -> None:
    model, optimizer = Small(), build_optimizer(OptimizerConfig(learning_rate=0.1), {})
    optimizer.update(model, {"bias": mx.array([0.5, -0.5])})
    assert model.bias.tolist() == pytest.approx(
        [0.9, 1.1], abs=1e-5
    )  # the first step is the rate times the sign
    assert math.isfinite(sum(model.bias.tolist()))


# --- 16-bit weights -------------------------------------------------------------------------------------------------


class Wide(nn.Module):
    def __init__(self, kind: mx.Dtype) -> None:
        super().__init__()
        self.weight = mx.random.normal((64, 64), key=mx.random.key(1)).astype(kind)


def moved_share(kind: mx.Dtype, steps: int) -> float:
    """The share of weights that `steps` AdamW steps at a rate of 1e-5 changed."""
    model = Wide(kind)
    before = mx.array(model.weight)
    optimizer = build_optimizer(OptimizerConfig(learning_rate=1e-5), {"weight": model.weight})
    for number in range(steps):
        gradient = mx.random.normal((64, 64), key=mx.random.key(100 + number)) + mx.sign(before)
        optimizer.update(model, {"weight": gradient.astype(kind)})
        mx.eval(model.parameters(), optimizer.state)
    assert model.weight.dtype == kind
    return float((model.weight != before).mean())


def test_full_training_of_16_bit_weights_adds_up_what_is_too_small_to_round() -> None:
    # 60 steps of at most 1e-5 are up to 6e-4: a 256th of what is below 0.15, which is a ninth of the weights.
    assert moved_share(mx.float32, 60) > 0.99
    assert moved_share(mx.bfloat16, 60) > 0.1
    model = Wide(mx.bfloat16)
    plain = optim.AdamW(1e-5, weight_decay=0.01, bias_correction=True)
    before = mx.array(model.weight)
    for _ in range(60):
        plain.update(model, {"weight": mx.sign(before)})
    assert float((model.weight != before).mean()) < 0.05


def test_masters_are_part_of_the_saved_state_and_go_on_exactly() -> None:
    gradient = {"weight": mx.ones((64, 64), mx.bfloat16)}

    def stepped(
        steps: int, saved: dict[str, mx.array] | None = None, weights: mx.array | None = None
    ) -> tuple[Wide, object]:
        model = Wide(mx.bfloat16)
        if weights is not None:
            model.weight = weights
        optimizer = build_optimizer(OptimizerConfig(learning_rate=1e-5), {"weight": model.weight})
        if saved:
            restore_optimizer(optimizer, saved)
        for _ in range(steps):
            optimizer.update(model, gradient)
        return model, optimizer

    whole, _ = stepped(40)
    half, optimizer = stepped(20)
    saved = optimizer_tensors(optimizer)  # pyright: ignore[reportArgumentType]
    assert saved["masters.weight"].dtype == mx.float32
    rest, _ = stepped(20, saved, half.weight)
    assert mx.array_equal(whole.weight, rest.weight).item()


# --- Muon -----------------------------------------------------------------------------------------------------------


def movement(shape: tuple[int, ...], *, factors: bool) -> float:
    """How far one step moves a weight of this shape: the root of the summed squares of its change."""
    optimizer = build_optimizer(
        OptimizerConfig(name="muon", learning_rate=1.0, weight_decay=0.0), {}, factors=factors
    )
    weights = {"weight": mx.zeros(shape)}
    gradient = mx.random.normal(shape, key=mx.random.key(3))
    changed = optimizer.apply_gradients({"weight": gradient}, weights)  # pyright: ignore[reportAttributeAccessIssue]
    return float(mx.linalg.norm(changed["weight"].reshape(-1)))


def test_muon_moves_both_factors_of_an_adapter_alike() -> None:
    into, out = movement((1024, 8), factors=True), movement((8, 1024), factors=True)
    assert into == pytest.approx(out, rel=0.1)
    # as whole layers they would be scaled by their own shape: sqrt(1024 / 8) = 11.3
    assert movement((1024, 8), factors=False) / movement((8, 1024), factors=False) == pytest.approx(
        11.3, rel=0.1
    )


def test_muon_makes_each_expert_of_a_stack_orthogonal_by_itself() -> None:
    stack = mx.random.normal((3, 6, 4), key=mx.random.key(5)) * mx.array([1.0, 10.0, 0.1])[:, None, None]
    alone = mx.stack([orthogonal(one) for one in stack])
    assert mx.allclose(orthogonal(stack), alone, atol=1e-5).item()
    for one in alone:  # Newton and Schulz's quintic ends with singular values between 0.7 and 1.2
        values = mx.linalg.svd(one, compute_uv=False, stream=mx.cpu)
        assert 0.6 < float(values.min()) <= float(values.max()) < 1.3


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam_in_few_kernels_moves_as_mlx_s_own_does_and_keeps_the_same_state(decay: float) -> None:
    keys = iter(mx.random.split(mx.random.key(3), 20))
    shapes = {"small": (3,), "wide": (5, 130), "one": (1, 1), "large": (200, 200)}
    ours = FusedAdam(0.01, [0.9, 0.99], decay)
    theirs = optim.AdamW(0.01, betas=[0.9, 0.99], weight_decay=decay, bias_correction=True)
    mine = plain = {name: mx.random.normal(shape, key=next(keys)) for name, shape in shapes.items()}
    for step in range(4):
        gradients = {name: mx.random.normal(shape, key=next(keys)) for name, shape in shapes.items()}
        for one in (ours, theirs):
            set_learning_rate(one, 0.01 / (step + 1))
        mine, plain = ours.apply_gradients(gradients, mine), theirs.apply_gradients(gradients, plain)
    for name in shapes:
        assert mx.allclose(mine[name], plain[name], rtol=1e-5, atol=1e-6), name
    ours_state, their_state = optimizer_tensors(ours), optimizer_tensors(theirs)
    assert ours_state.keys() == their_state.keys()
    for name, array in their_state.items():
        assert mx.allclose(ours_state[name], array, rtol=1e-5, atol=1e-7), name


def test_an_update_takes_three_kernels_for_each_weight(tmp_path: Path) -> None:
    """On every device: its operations beside views are launches."""
    weights = {str(place): mx.ones((4, place + 1)) for place in range(8)}
    mx.eval(weights)

    def operations(optimizer: Any) -> int:
        moved = optimizer.apply_gradients(weights, weights)
        mx.eval(moved, optimizer.state)
        moved = optimizer.apply_gradients(weights, weights)
        mx.export_to_dot(str(tmp_path / "graph"), *moved.values(), *optimizer_tensors(optimizer).values())
        found = re.findall(r'label ="(\w+)", shape=rectangle', (tmp_path / "graph").read_text())
        return sum(name not in ("Broadcast", "AsType") for name in found)

    ours = operations(FusedAdam(0.01, [0.9, 0.99], 0.1))
    theirs = operations(optim.AdamW(0.01, betas=[0.9, 0.99], weight_decay=0.1, bias_correction=True))
    assert ours <= 3 * 8 + 8
    assert theirs >= 3 * ours
