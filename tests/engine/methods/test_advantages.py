"""Advantages by hand-checkable rewards, and what must not change them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from droid_tune.methods.advantages import compute_advantages

NONE = float("nan")


def values(rewards: Any, group_size: int, **how: Any) -> list[float]:
    return compute_advantages(rewards, group_size, **how).values.tolist()


def test_a_group_is_centred_and_scaled_by_its_own_sample_spread() -> None:
    # mean 2, spread sqrt((1 + 0 + 1) / 2) = 1
    assert values([[1.0], [2.0], [3.0]], 3) == pytest.approx([-1 / 1.0001, 0, 1 / 1.0001])


def test_dr_grpo_only_centres() -> None:
    assert values([[1.0], [2.0], [6.0]], 3, scale_rewards="none") == [-2, -1, 3]


def test_batch_scaling_keeps_the_groups_mean_and_takes_the_batchs_spread() -> None:
    # spread of 0, 2, 4, 6 is sqrt(20 / 3)
    spread = math.sqrt(20 / 3) + 1e-4
    found = values([[0.0], [2.0], [4.0], [6.0]], 2, scale_rewards="batch")
    assert found == pytest.approx([-1 / spread, 1 / spread, -1 / spread, 1 / spread])


def test_rewards_are_weighed_and_added() -> None:
    assert values([[1, 10], [3, 10]], 2, weights=[0.5, 7.0], scale_rewards="none") == [-0.5, 0.5]


def test_gdpo_lets_each_function_count_whatever_its_size() -> None:
    # summed, the second function drowns the first; normalised first, rows 2 and 3 tie at 0
    rewards = [[0, 0], [1, 0], [0, 1000], [1, 1000]]
    summed = values(rewards, 4)
    assert summed[1] == pytest.approx(summed[0], abs=0.01)
    each = values(rewards, 4, aggregation="normalize_then_sum")
    assert each[1] == pytest.approx(0, abs=1e-3)
    assert each[2] == pytest.approx(0, abs=1e-3)
    assert each[3] == pytest.approx(-each[0])


def test_a_flat_group_stays_at_exactly_zero_under_gdpo() -> None:
    rewards = [[0.1, 0.7], [0.3, 0.2], [0.9, 0.4], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    found = compute_advantages(rewards, 3, aggregation="normalize_then_sum")
    assert found.values[3:].tolist() == [0, 0, 0]
    assert found.informative.tolist() == [True, False]


def test_a_function_that_does_not_apply_is_left_out_of_the_sum() -> None:
    assert values([[1, None], [0, 0.5]], 2, scale_rewards="none") == [0.25, -0.25]


def test_a_completion_nobody_scored_gets_nothing_and_does_not_move_the_mean() -> None:
    found = compute_advantages([[1.0], [None], [3.0]], 3, scale_rewards="none")
    assert found.values.tolist() == [-1, 0, 1]
    assert math.isnan(found.totals[1])
    assert found.metrics["reward"] == 2.0


def test_one_scored_completion_in_a_group_teaches_nothing() -> None:
    for scale in ("group", "batch", "none"):
        found = compute_advantages([[None], [5.0], [1.0], [2.0]], 2, scale_rewards=scale)
        assert found.values[:2].tolist() == [0, 0]
        assert found.informative.tolist() == [False, True]
        assert found.metrics["frac_reward_zero_std"] == 0  # unknown, not zero (TRL)


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_equal_rewards_give_exactly_zero(scale: Any) -> None:
    found = compute_advantages([[0.3]] * 8 + [[0.1], [0.7]] * 4, 8, scale_rewards=scale)
    assert not found.values[:8].any()
    assert found.values[8:].all()
    assert found.metrics["frac_reward_zero_std"] == (0 if scale == "batch" else 0.5)
    assert found.informative.tolist() == [False, True]


@pytest.mark.parametrize("size", [3, 5, 6, 7, 8])
@pytest.mark.parametrize("reward", [0.1, 0.3, 0.7, 1e6 + 0.1])
def test_no_reward_is_so_awkward_that_equals_differ(reward: float, size: int) -> None:
    assert values([[reward]] * size, size) == [0.0] * size
    assert values([[reward]] * size, size, scale_rewards="none") == [0.0] * size


def test_flat_groups_are_counted_by_rows_of_the_spread_that_divides() -> None:
    rewards = [[1.0], [1.0], [0.0], [1.0]]
    assert compute_advantages(rewards, 2).metrics["frac_reward_zero_std"] == 0.5
    assert compute_advantages(rewards, 2, scale_rewards="batch").metrics["frac_reward_zero_std"] == 0.0


def test_metrics_carry_the_functions_names() -> None:
    metrics = compute_advantages([[1, 4], [3, None]], 2, names=["accuracy", "format"]).metrics
    assert metrics["rewards/accuracy/mean"] == 2.0
    assert metrics["rewards/accuracy/std"] == pytest.approx(math.sqrt(2))
    assert metrics["rewards/format/mean"] == 4.0
    assert math.isnan(metrics["rewards/format/std"])
    assert metrics["reward_std"] == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize(
    ("rewards", "group_size", "weights", "said"),
    [
        ([[1.0]] * 5, 2, None, "5 rewards cannot be cut into groups of 2"),
        ([[1.0], [2.0]], 2, [1.0, 1.0], "1 reward functions need as many weights, not 2"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(rewards: Any, group_size: int, weights: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compute_advantages(rewards, group_size, weights=weights)


# --- what must not matter -------------------------------------------------------------------------------------------

GROUP = 4
reward = st.one_of(st.none(), st.integers(-40, 40).map(lambda eighths: eighths / 8))
groups = st.lists(
    st.lists(st.lists(reward, min_size=2, max_size=2), min_size=GROUP, max_size=GROUP), min_size=1, max_size=4
)
hows = st.fixed_dictionaries(
    {
        "scale_rewards": st.sampled_from(["group", "batch", "none"]),
        "aggregation": st.sampled_from(["sum_then_normalize", "normalize_then_sum"]),
    }
)


def flat(batch: list[list[list[float | None]]]) -> list[list[float | None]]:
    return [row for group in batch for row in group]


@given(batch=groups, how=hows, seed=st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_the_order_of_groups_never_matters(batch: Any, how: Any, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(batch))
    before = np.array(values(flat(batch), GROUP, **how)).reshape(-1, GROUP)
    after = np.array(values(flat([batch[g] for g in order]), GROUP, **how)).reshape(-1, GROUP)
    np.testing.assert_allclose(after, before[order], atol=1e-6)


@given(batch=groups, how=hows, shift=st.integers(-1000, 1000), group=st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_shifting_all_rewards_of_a_group_changes_nothing(
    batch: Any, how: Any, shift: int, group: int
) -> None:
    """One function, all scored: the group's mean takes the shift along (batch scaling aside: its spread grows)."""
    if how["scale_rewards"] == "batch":
        how = {**how, "scale_rewards": "group"}
    rewards = [[[row[0] or 0.0] for row in rows] for rows in batch]
    place = group % len(batch)
    moved = [[[row[0] + shift] for row in rows] if g == place else rows for g, rows in enumerate(rewards)]
    np.testing.assert_allclose(
        values(flat(moved), GROUP, **how), values(flat(rewards), GROUP, **how), atol=1e-5
    )


@given(batch=groups, how=hows)
@settings(deadline=None, max_examples=60)
def test_advantages_are_always_finite_and_an_unscored_row_gets_zero(batch: Any, how: Any) -> None:
    found = compute_advantages(flat(batch), GROUP, **how)
    assert np.isfinite(found.values).all()
    assert not found.values[np.isnan(found.totals)].any()


@given(batch=groups)
@settings(deadline=None, max_examples=60)
def test_centred_advantages_of_a_group_sum_to_zero(batch: Any) -> None:
    found = np.array(values(flat(batch), GROUP, scale_rewards="none")).reshape(-1, GROUP)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-5)
