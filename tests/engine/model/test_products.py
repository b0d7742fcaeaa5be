"""The check of the chip: a device agrees with the CPU here, and a planted fault is found and told in figures."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

from droid_tune.errors import UserError
from droid_tune.model.adapters import SWITCH
from droid_tune.model.checks.expert_products import expert_product
from droid_tune.model.checks.mismatch import compared
from droid_tune.model.checks.products import (
    Device,
    check_products,
    heads_of,
    kinds_of_layers,
    layer_product,
    mismatches,
)
from droid_tune.model.policy import Policy
from tests.engine.model.tiny import CONFIGS, tiny_policy


def policy_of(kind: str = "plain") -> Policy:
    if kind in ("4 bits", "8 bits"):
        return tiny_policy("llama", quantise=int(kind[0]), intermediate_size=64)
    policy = tiny_policy("llama")
    if kind != "plain":
        policy.model.set_dtype(getattr(mx, kind))
    return policy


@pytest.mark.parametrize("kind", ["plain", "float16", "bfloat16", "4 bits", "8 bits"])
def test_this_machine_agrees_with_itself(kind: str) -> None:
    policy = policy_of(kind)
    assert list(mismatches(policy, Device(layer_product))) == [None] * (
        len(kinds_of_layers(policy.model)) * 2 * 2 + 1
    )
    check_products(policy)


def faulty(transposed_fault: bool, rows_from: int = 1, factor: float = 1.5) -> Device:
    """Every product of so many rows is wrong in its last column."""

    def product(layer: nn.Module, x: mx.array, transposed: bool) -> mx.array:
        right = layer_product(layer, x, transposed)
        if transposed is not transposed_fault or x.shape[0] < rows_from:
            return right
        return mx.concatenate([right[:, :-8], right[:, -8:] * factor + 1], axis=1)

    return Device(product)


@pytest.mark.parametrize(
    "device", [faulty(True), faulty(False), faulty(True, 33), faulty(False, 33, float("nan"))]
)
@pytest.mark.parametrize("kind", ["plain", "bfloat16", "4 bits"])
def test_a_planted_fault_stops_the_run_with_the_figures(device: Device, kind: str) -> None:
    with pytest.raises(
        UserError, match=r"multiplies wrongly: .* \(\d+ x \d+ by \d+, \w+\) (forward|backward): found"
    ):
        check_products(policy_of(kind), device)


def test_large_layers_are_tried_with_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("droid_tune.model.checks.products.SMALL", 1)
    with pytest.raises(UserError, match=r"\(256 x 32 by 64, float32\) forward"):
        check_products(tiny_policy("llama"), faulty(True, 256))


def test_attention_is_tried_too() -> None:
    def attention(*args: Any, **named: Any) -> mx.array:
        return mx.fast.scaled_dot_product_attention(*args, **{**named, "mask": None})

    with pytest.raises(UserError, match="attention \\(4 heads of 8, float32\\)"):
        check_products(tiny_policy("llama"), Device(layer_product, attention=attention))


def test_the_error_is_measured_against_the_usual_size() -> None:
    found = compared("a", np.array([[2.0, 5.0]]), np.array([[2.0, 4.0]]), np.array([[1.0, 1.0]]), 0.1)
    assert found is not None
    assert found.error == pytest.approx(1 / (4 + 1))
    assert (
        found.sentence() == "a: found 5, expected 4, an error of 0.2 of the usual size where 0.1 is allowed"
    )
    assert compared("a", np.array([4.4]), np.array([4.0]), np.array([1.0]), 0.1) is None


def test_nothing_more_is_tried_when_the_time_is_up() -> None:
    with pytest.raises(UserError):
        check_products(tiny_policy("llama"), faulty(False), seconds=60)
    check_products(
        tiny_policy("llama"), faulty(False), seconds=-1
    )  # the first product, a forward one, and no other


@pytest.mark.parametrize("name", ["qwen3_moe", "gemma3_text"])
def test_other_architectures_are_read_as_they_are(name: str) -> None:
    assert name in CONFIGS
    check_products(tiny_policy(name))


def test_a_config_without_heads_tries_no_attention() -> None:
    assert heads_of({"num_attention_heads": 4, "hidden_size": 32, "num_key_value_heads": 2}) == (4, 2, 8)
    assert heads_of({}) is None
    assert heads_of({"num_attention_heads": 5, "hidden_size": 32, "num_key_value_heads": 2}) is None
    assert heads_of({"num_attention_heads": "4", "hidden_size": 32}) is None


# --- layers of experts ---


def experts_policy(bits: int, mode: str = "affine") -> Policy:
    """Four experts, of which rows are sent to two; packed where `bits` says so."""
    policy = tiny_policy("qwen3_moe", moe_intermediate_size=64, hidden_size=64, head_dim=16)
    if bits:
        nn.quantize(
            policy.model,
            32,
            bits,
            mode=mode,
            class_predicate=lambda _, module: isinstance(module, SWITCH),
        )
    return policy


def faulty_experts(transposed_fault: bool, rows_from: int = 1, expert: int | None = None) -> Device:
    """Every product of experts with so many rows is wrong in one number: in the last row, or in that of one expert."""

    def product(layer: nn.Module, x: mx.array, experts: mx.array, transposed: bool) -> mx.array:
        right = expert_product(layer, x, experts, transposed)
        if transposed is not transposed_fault or x.shape[0] < rows_from:
            return right
        wrong = mx.arange(x.shape[0]) == x.shape[0] - 1 if expert is None else experts == expert
        return right + wrong[:, None].astype(right.dtype) * 50

    return Device(layer_product, product)


@pytest.mark.parametrize(("bits", "mode"), [(0, ""), (4, "affine"), (4, "mxfp4")])
def test_experts_agree_with_themselves(bits: int, mode: str) -> None:
    policy = experts_policy(bits, mode)
    seen: list[tuple[int, bool]] = []

    def product(layer: nn.Module, x: mx.array, experts: mx.array, transposed: bool) -> mx.array:
        seen.append((x.shape[0], transposed))
        return expert_product(layer, x, experts, transposed)

    assert set(mismatches(policy, Device(layer_product, product))) == {None}
    shapes = 1  # all three layers of an expert are 64 x 64 here
    assert sorted(seen) == sorted([(rows, way) for rows in (1, 33, 256) for way in (True, False)] * shapes)
    check_products(policy)


@pytest.mark.parametrize("bits", [0, 4])
@pytest.mark.parametrize(
    "device",
    [faulty_experts(True), faulty_experts(False), faulty_experts(True, 256), faulty_experts(False, 33, 3)],
)
def test_a_planted_fault_of_experts_stops_the_run_with_the_figures(device: Device, bits: int) -> None:
    with pytest.raises(
        UserError,
        match=r"multiplies wrongly: .*switch_mlp\.[\w.]+ \(\d+ x 64 by 64 of 4 experts, float32\) (forward|backward): found",
    ):
        check_products(experts_policy(bits), device)
