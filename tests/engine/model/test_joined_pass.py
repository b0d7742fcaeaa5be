"""Whole rows by hand: the numbers of MLX's own gradient, in fewer operations, and only where the model is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx.utils import tree_unflatten

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.gradients import pullback
from droid_tune.model.gradients.bodies import goes_joined, joined_body_for
from droid_tune.model.gradients.by_hand import plain_body, plain_layers
from droid_tune.model.gradients.by_hand.joined_pass import JoinedPass
from droid_tune.model.gradients.by_hand.joined_proof import passes_joined
from droid_tune.model.gradients.by_hand.unpadded_rows import UnpaddedRows
from droid_tune.model.gradients.passes import whole_rows
from droid_tune.model.gradients.scoring import ScoringRows, loss_and_gradients, score
from droid_tune.model.kernels.own_kernels import own_kernels
from droid_tune.model.policy import Policy
from tests.engine.model.test_gradients import TEMPERATURE, Case, made_case, relative_error
from tests.engine.model.tiny import VOCABULARY, flat, tiny_policy

#: one row at a time: adapters beside the weights; all at once: in one matrix with them
WHOLE = {rows: MemoryPlan(share_prompts=False, train_rows=rows) for rows in (1, 8)}
KNOWN: dict[str, Callable[[], Policy]] = {
    "all layers": lambda: tiny_policy("llama"),
    "a head of keys for each of queries": lambda: tiny_policy("llama", num_key_value_heads=4),
    "an untied head": lambda: tiny_policy("mistral"),
    "biases": lambda: tiny_policy("qwen2"),
    "two layers": lambda: tiny_policy("llama", AdapterConfig(rank=4, scale=2.0, layers=2)),
    "queries and values": lambda: tiny_policy(
        "qwen2", AdapterConfig(rank=3, scale=2.0, target_modules=("*q_proj", "*v_proj"))
    ),
    "gates alone": lambda: tiny_policy(
        "llama", AdapterConfig(rank=3, scale=0.5, target_modules=("*gate_proj",))
    ),
    "what is told and what goes down": lambda: tiny_policy(
        "llama", AdapterConfig(rank=16, scale=2.0, target_modules=("*o_proj", "*down_proj"))
    ),
}
UNKNOWN: dict[str, Callable[[], Policy]] = {
    "norms of queries and keys": lambda: tiny_policy("qwen3"),
    "multipliers": lambda: tiny_policy("granite"),
    "windows": lambda: tiny_policy("gemma2"),
    "experts": lambda: tiny_policy("qwen3_moe"),
    "four bits": lambda: tiny_policy("llama", quantise=4, hidden_size=64, intermediate_size=64, head_dim=16),
    "DoRA": lambda: tiny_policy("llama", AdapterConfig(type="dora", rank=4, scale=2.0)),
    "all weights": lambda: tiny_policy("llama", AdapterConfig(type="full"), stir=False),
    "an adapted head": lambda: tiny_policy(
        "mistral", AdapterConfig(rank=4, scale=2.0, target_modules=("*_proj", "lm_head"))
    ),
    "dropout": lambda: tiny_policy("llama", AdapterConfig(rank=4, scale=2.0, dropout=0.1)),
}


def check_scores(policy: Policy, plans: Iterable[MemoryPlan], reference: bool) -> None:
    """Log-probabilities and entropies of rows that are read are the usual ones."""
    rows = made_case(policy).rows
    for plan in plans:
        found, expected = (
            score(one, rows, temperature=TEMPERATURE, plan=plan, with_entropy=True, reference=reference)
            for one in (policy, usual(policy))
        )
        np.testing.assert_allclose(found.logprobs, expected.logprobs, atol=1e-5)
        np.testing.assert_allclose(np.array(found.entropies), np.array(expected.entropies), atol=1e-5)


def usual(policy: Policy) -> Policy:
    """The same policy, whose rows go through MLX's own gradient."""
    return replace(policy, architecture=replace(policy.architecture, passes_joined=False))


def used(policy: Policy, rows: ScoringRows, plan: MemoryPlan) -> bool:
    names = list(policy.trainable())
    batches = whole_rows(rows, plan.train_rows)
    body = joined_body_for(policy, names)
    return body is not None and all(goes_joined(batch, body) for batch in batches)


def gradient(policy: Policy, case: Case, plan: MemoryPlan) -> tuple[float, dict[str, mx.array]]:
    value, found, _ = loss_and_gradients(policy, case.rows, case.loss, temperature=TEMPERATURE, plan=plan)
    return value, flat(found)


@pytest.mark.parametrize("rows", WHOLE)
@pytest.mark.parametrize("setup", KNOWN)
def test_the_gradient_is_that_of_mlx(setup: str, rows: int) -> None:
    policy, plan = KNOWN[setup](), WHOLE[rows]
    case = made_case(policy, beta=0.1)
    assert used(policy, case.rows, plan)
    value, found = gradient(policy, case, plan)
    expected_value, expected = gradient(usual(policy), case, plan)
    assert value == pytest.approx(expected_value, rel=1e-5)
    assert relative_error(found, expected) < 1e-5
    for name, array in expected.items():
        assert mx.abs(found[name] - array).max().item() <= 3e-5 * mx.abs(array).max().item() + 1e-9, name


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("setup", KNOWN)
def test_rows_that_are_only_read_have_the_same_scores(setup: str, reference: bool) -> None:
    check_scores(KNOWN[setup](), WHOLE.values(), reference)


@pytest.mark.parametrize("setup", UNKNOWN)
def test_what_is_not_known_is_left_to_mlx(setup: str) -> None:
    policy = UNKNOWN[setup]()
    assert not used(policy, made_case(policy).rows, WHOLE[8])


def test_attention_that_does_not_fit_at_once_is_left_to_mlx(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tiny_policy("llama")
    rows = made_case(policy).rows
    [batch] = whole_rows(rows, 8)
    weights = 4 * batch.tokens.shape[0] * batch.tokens.shape[1] ** 2  # of four heads
    for most, fits in ((weights, True), (weights - 1, False)):
        monkeypatch.setattr(plain_body, "block_weights", lambda most=most, **_: most)
        assert used(policy, rows, WHOLE[8]) == fits


def test_a_model_that_scales_what_llama_does_not_is_not_known() -> None:
    model: Any = tiny_policy("llama").model
    tokens = mx.array([[3, 5, 7, 4, 2, 6, 8, 1]])
    assert passes_joined(model, model.model, tokens)
    kind: Any = type(model.layers[0])
    twice = {"__call__": lambda self, *given, **named: 2 * kind.__call__(self, *given, **named)}
    model.layers[0].__class__ = type("Twice", (kind,), twice)
    assert not passes_joined(model, model.model, tokens)


@given(seed=st.integers(0, 2**31), count=st.integers(1, 6), longest=st.integers(1, 20))
@settings(max_examples=25, deadline=None)
def test_ragged_rows_of_any_shape(seed: int, count: int, longest: int) -> None:
    rng = np.random.default_rng(seed)
    policy = POLICY
    tokens = rng.integers(2, VOCABULARY, (count, longest)).astype(np.int32)
    mask = (rng.random((count, longest)) < 0.6).astype(np.float32)
    mask[0, rng.integers(longest)] = 1
    prompts = [rng.integers(2, VOCABULARY, rng.integers(1, 15)).tolist() for _ in range(count)]
    rows = ScoringRows.of_groups(prompts, 1, tokens, mask)
    advantages = mx.array(rng.standard_normal(count).astype(np.float32))
    case = Case(rows, advantages, mx.zeros((count, longest)))
    plan = MemoryPlan(share_prompts=False, train_rows=int(rng.integers(1, count + 1)))
    assert used(policy, rows, plan)
    found, expected = gradient(policy, case, plan)[1], gradient(usual(policy), case, plan)[1]
    assert relative_error(found, expected) < 1e-5


POLICY = tiny_policy("llama")


def test_padding_is_left_out_of_all_but_attention() -> None:
    layout = UnpaddedRows(3, 16, np.array([3, 15, 17, 34]))  # rows of 16, 2 and 3 tokens
    assert layout.count == 24  # the next allowed number above their 21
    places = mx.arange(48)
    kept = [*range(18), 18, 19, 20, 32, 33, 34]  # with three of padding
    assert layout.gathered(places).tolist() == kept
    assert layout.places_of(mx.array([3, 15, 17, 34])).tolist() == [3, 15, 17, 23]
    spread = layout.spread(layout.gathered(places)).tolist()
    assert spread == [place if place in kept else 18 for place in range(48)]
    full = UnpaddedRows(3, 16, np.array([15, 31, 40]))  # of 41 tokens: too little to leave out
    assert full.count == 48
    assert full.gathered(places) is full.spread(places) is full.places_of(places) is places


@pytest.mark.parametrize("setup", KNOWN)
def test_one_long_row_among_short_ones(setup: str) -> None:
    policy, rng = KNOWN[setup](), np.random.default_rng(5)
    lengths = np.array([30, 1, 2, 0, 5])
    tokens = rng.integers(2, VOCABULARY, (5, 30)).astype(np.int32)
    mask = (np.arange(30) < lengths[:, None]).astype(np.float32)
    rows = ScoringRows.of_groups([[3, 4, 5], [6], [7, 8], [9], [2, 3]], 1, tokens, mask)
    case = Case(rows, mx.array(rng.standard_normal(5).astype(np.float32)), mx.zeros((5, 30)))
    [batch] = whole_rows(rows, 8)
    assert used(policy, rows, WHOLE[8])
    assert UnpaddedRows(*batch.tokens.shape, batch.states).count < batch.tokens.size / 2
    found, expected = (gradient(one, case, WHOLE[8])[1] for one in (policy, usual(policy)))
    assert relative_error(found, expected) < 1e-5


def test_it_takes_fewer_operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tiny_policy("llama")
    [batch] = whole_rows(made_case(policy).rows, 8)
    names, counted = list(policy.trainable()), list[int]()
    for one in (usual(policy), policy):
        with monkeypatch.context() as patch:
            for module in (plain_layers, pullback):
                patch.setattr(module, "mx", _Lazy())
            with own_kernels(shares_prompts=True, training=True):
                found = _pulled(one, batch, names)
        mx.export_to_dot(str(tmp_path / "graph"), *found)
        counted.append((tmp_path / "graph").read_text().count("shape=rectangle"))
    assert counted[0] > 1.5 * counted[1] > 500, counted


def _nothing(*_: Any) -> None:
    """Evaluates nothing."""


class _Lazy:
    """mlx.core, but nothing is evaluated."""

    def __getattr__(self, name: str) -> Any:
        return _nothing if name == "eval" else getattr(mx, name)


def _pulled(policy: Policy, batch: Any, names: list[str]) -> list[mx.array]:
    if (body := joined_body_for(policy, names)) is not None:
        run: Any = JoinedPass(body, batch.tokens, batch.states, names)
    else:
        own = policy.trainable()

        def hidden(arrays: list[mx.array]) -> list[mx.array]:
            policy.model.update(tree_unflatten(list(zip(own, arrays, strict=True))))
            return [batch.hidden(policy.model, policy.architecture)]

        run = pullback.Pullback(hidden, list(own.values()), hold=True)
        policy.model.update(tree_unflatten(list(own.items())))
    return run.pull([mx.ones(run.results[0].shape)])


def test_modules_are_as_they_were_behind_it() -> None:
    policy = tiny_policy("llama")
    before = policy.trainable()
    gradient(policy, made_case(policy), WHOLE[8])
    assert all(mx.array_equal(array, before[name]) for name, array in policy.trainable().items())
    assert isinstance(policy.model, nn.Module)
    assert not policy.model.training
