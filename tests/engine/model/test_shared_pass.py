"""Shared prompts by hand: the gradient and the scores of the plain computation, and only where the model is known."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.gradients.by_hand import plain_body, shared_pass
from droid_tune.model.gradients.scoring import ScoringRows
from droid_tune.model.policy import Policy
from tests.engine.model.test_gradients import Case, made_case, plain_gradient, relative_error
from tests.engine.model.test_joined_pass import KNOWN, POLICY, UNKNOWN, check_scores, gradient, usual
from tests.engine.model.tiny import VOCABULARY

PLANS = {rows: MemoryPlan(train_rows=rows, head_tokens=7) for rows in (1, 3, 8)}


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many passes go by hand, by their kind."""
    counted = {"prompts": 0, "rows": 0}

    def counts(kind: str, name: str) -> None:
        theirs = getattr(shared_pass, name).__init__

        def begin(*given: Any, **named: Any) -> None:
            counted[kind] += 1
            theirs(*given, **named)

        monkeypatch.setattr(getattr(shared_pass, name), "__init__", begin)

    counts("prompts", "PromptByHand")
    counts("rows", "PromptedRows")
    return counted


@pytest.mark.parametrize("rows", PLANS)
@pytest.mark.parametrize("setup", KNOWN)
def test_the_gradient_is_the_plain_one(setup: str, rows: int, passes: dict[str, int]) -> None:
    policy = KNOWN[setup]()
    case = made_case(policy, beta=0.1)
    expected_value, expected = plain_gradient(policy, case)
    passes |= {"prompts": 0, "rows": 0}
    value, found = gradient(policy, case, PLANS[rows])
    assert passes == {"prompts": 2, "rows": {1: 8, 3: 4, 8: 2}[rows]}
    assert value == pytest.approx(expected_value, rel=1e-5)
    assert relative_error(found, expected) < 1e-5


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("setup", KNOWN)
def test_rows_that_are_only_read_have_the_same_scores(setup: str, reference: bool) -> None:
    check_scores(KNOWN[setup](), PLANS.values(), reference)


@pytest.mark.parametrize("setup", UNKNOWN)
def test_what_is_not_known_is_left_to_mlx(setup: str, passes: dict[str, int]) -> None:
    policy = UNKNOWN[setup]()
    case = made_case(policy)
    passes |= {"prompts": 0, "rows": 0}  # dropout alone is no hindrance to reading
    gradient(policy, case, PLANS[8])
    assert passes == {"prompts": 0, "rows": 0}


@pytest.mark.parametrize(
    "plan",
    [MemoryPlan(hold=False), MemoryPlan(layer_wise=True), MemoryPlan(segment_tokens=2)],
    ids=["run again", "layer by layer", "in segments"],
)
def test_plans_that_keep_less_are_left_to_mlx(plan: MemoryPlan, passes: dict[str, int]) -> None:
    case = made_case(POLICY)
    passes |= {"prompts": 0, "rows": 0}
    found = gradient(POLICY, case, plan)[1]
    assert passes["prompts"] == 0
    assert relative_error(found, gradient(usual(POLICY), case, plan)[1]) < 1e-5


def attention(prompt: int, completion: int) -> int:
    """Weights of one row of a completion in four heads."""
    return 4 * completion * (prompt + completion)


@pytest.mark.parametrize(
    ("most", "prompts", "rows"),
    [
        (10**6, 2, 4),
        (2 * attention(9, 16), 2, 4),  # two rows at a time
        (4 * 9 * 9, 2, 0),
        (4 * 9 * 9 - 1, 1, 0),  # the prompt of three tokens alone
        (10, 0, 0),
    ],
)
def test_attention_that_does_not_fit_at_once(
    most: int, prompts: int, rows: int, passes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = made_case(POLICY, beta=0.1)
    expected = plain_gradient(POLICY, case)[1]
    passes |= {"prompts": 0, "rows": 0}
    for module in (plain_body, shared_pass):
        monkeypatch.setattr(module, "block_weights", lambda most=most, **_: most)  # pyright: ignore[reportUnknownLambdaType]
    found = gradient(POLICY, case, PLANS[3])[1]
    assert passes == {"prompts": prompts, "rows": rows}
    assert relative_error(found, expected) < 1e-5


@given(seed=st.integers(0, 2**31), groups=st.integers(1, 3), longest=st.integers(1, 20))
@settings(max_examples=25, deadline=None)
def test_ragged_groups_of_any_shape(seed: int, groups: int, longest: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = [1, *rng.integers(1, 5, groups - 1)] if groups > 1 else [2]  # one is alone
    count = int(sum(sizes)) + 1
    index = np.repeat(np.arange(groups + 1), [*sizes, 1])
    index[-1] = groups - 1  # one that does not stand with its group
    tokens = rng.integers(2, VOCABULARY, (count, longest)).astype(np.int32)
    mask = (rng.random((count, longest)) < 0.6).astype(np.float32)
    mask[0, rng.integers(longest)] = 1
    prompts = [rng.integers(2, VOCABULARY, rng.integers(1, 15)).tolist() for _ in range(groups)]
    rows = ScoringRows(prompts, index, tokens, mask)
    case = Case(rows, mx.array(rng.standard_normal(count).astype(np.float32)), mx.zeros((count, longest)))
    plan = MemoryPlan(train_rows=int(rng.integers(1, 5)))
    found, expected = gradient(POLICY, case, plan)[1], gradient(usual(POLICY), case, plan)[1]
    assert relative_error(found, expected) < 1e-5


def test_rows_that_say_one_token_need_no_pass() -> None:
    rows = ScoringRows.of_groups([[3, 4, 5]], 2, [[7], [9]], [[1], [1]])
    case = Case(rows, mx.array([1.0, -0.5]), mx.zeros((2, 1)))
    expected = plain_gradient(POLICY, case)[1]
    assert relative_error(gradient(POLICY, case, PLANS[8])[1], expected) < 1e-5


def test_modules_are_as_they_were_behind_it() -> None:
    policy: Policy = KNOWN["all layers"]()
    before = policy.trainable()
    gradient(policy, made_case(policy), PLANS[3])
    assert all(mx.array_equal(array, before[name]) for name, array in policy.trainable().items())
    assert not policy.model.training
