"""What a reward is compared with, by numbers that can be checked in the margin."""

from __future__ import annotations

import numpy as np
import pytest

from droid_tune.methods.baselines import (
    Penalty,
    RewardComparison,
    leave_one_out,
    optimal_values,
    over_batch,
    over_success_rate,
    token_advantages,
)

NONE = np.nan


def test_each_completion_is_compared_with_the_others_of_its_group() -> None:
    assert leave_one_out(np.array([1.0, 0.0, 0.5, 0.5]), 4).tolist() == [
        pytest.approx(2 / 3),
        pytest.approx(-2 / 3),
        0.0,
        0.0,
    ]


def test_what_has_no_judged_sibling_is_compared_with_nothing() -> None:
    found = leave_one_out(np.array([1.0, NONE, 3.0, 1.0]), 2)
    assert np.isnan(found[:2]).all()
    assert found[2:].tolist() == [2.0, -2.0]


def test_the_whole_batch_gives_mean_and_spread() -> None:
    found = over_batch(np.array([1.0, 3.0, NONE]), 0.0)  # mean 2, spread sqrt 2
    assert found[:2] == pytest.approx([-0.70710678, 0.70710678])


def test_a_rare_success_counts_for_more() -> None:
    assert over_success_rate(np.array([1.0, 0.0, 0.0, 0.0]), 4).tolist() == [3.0, -1.0, -1.0, -1.0]
    assert over_success_rate(np.array([1.0, 1.0, 1.0, 0.0]), 4) == pytest.approx([1 / 3, 1 / 3, 1 / 3, -1])


def test_a_group_without_success_teaches_nothing() -> None:
    assert over_success_rate(np.zeros(4), 4).tolist() == [0.0] * 4


def test_equal_rewards_are_no_signal_after_rounding() -> None:
    compared = RewardComparison("leave_one_out", 8, (1.0,), ("r",))
    found = compared.advantages(np.full((8, 1), 0.3))
    assert not found.values.any()
    assert not found.informative.any()
    assert found.metrics["frac_reward_zero_std"] == 1.0


def test_the_best_value_lies_between_mean_and_best() -> None:
    assert optimal_values(np.array([[1.0, 1.0], [0.0, 0.0]]), 0.5).tolist() == [1.0, 0.0]
    assert optimal_values(np.array([[1.0, 0.0]]), 1e-3) == pytest.approx(1.0, abs=1e-3)
    assert optimal_values(np.array([[1.0, 0.0]]), 1e3) == pytest.approx(0.5, abs=1e-3)


def test_a_penalty_is_taken_off_the_reward_of_the_whole_completion() -> None:
    kl = Penalty.of(np.array([[0.0, 9.0], [0.5, 0.5]]), np.zeros((2, 2)), np.array([[1, 0], [1, 1]]))
    found = RewardComparison("leave_one_out", 2, (1.0,), ("r",), beta=0.5).advantages(
        np.array([[1.0], [1.0]]), kl
    )
    assert found.values == pytest.approx([0.5, -0.5])  # 1 - 0 against 1 - 0.5 x 1
    assert found.metrics["reward"] == 1.0


def test_a_token_pays_for_what_comes_from_it_on() -> None:
    mask = np.array([[1.0, 1.0], [1.0, 0.0]])
    found = token_advantages(np.array([2.0, 0.0]), np.array([[0.0, 1.0], [0.0, 0.0]]), mask, 0.0)
    assert np.isnan(found[1, 1])
    # 2 - 1, 2 - 1, 0: mean 2 / 3, spread sqrt(1 / 3)
    assert found[0] == pytest.approx([0.57735027, 0.57735027])
    assert found[1, 0] == pytest.approx(-1.15470054)


def test_tokens_with_advantages_of_their_own_are_told_by_the_first() -> None:
    mask = np.ones((2, 3))
    kl = Penalty(np.array([[0.1, 0.2, 0.3], [0.0, 0.0, 0.0]]), mask)
    found = RewardComparison("batch", 1, (1.0,), ("r",), beta=1.0).advantages(np.array([[1.0], [0.0]]), kl)
    assert found.values.shape == (2, 3)
    assert found.of_completions.tolist() == found.values[:, 0].tolist()
    assert found.informative.tolist() == [True, True]
