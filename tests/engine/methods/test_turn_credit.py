"""GiGPO's turn advantages (arXiv 2505.10978), by hand."""

from __future__ import annotations

import numpy as np
import pytest

from droid_tune.methods.turn_credit import returns, turn_advantages


def test_a_return_is_the_reward_and_the_discounted_rest():
    np.testing.assert_allclose(returns([1.0, 0.0, 4.0], 0.5), [2.0, 2.0, 4.0])
    assert returns([], 0.5).shape == (0,)


def test_turns_in_equal_states_of_one_prompt_are_compared():
    # returns with discount 0.5: [1.5, 1], [0, 0], [2, 2]; all begin in "a"; "b" comes twice, "c" once
    rewards = [[1.0, 1.0], [0.0, 0.0], [1.0, 2.0]]
    states = [["a", "b"], ["a", "b"], ["a", "c"]]
    found = turn_advantages(rewards, states, 3, discount=0.5, normalise=False)
    mean = (1.5 + 0 + 2) / 3
    np.testing.assert_allclose(found[0], [1.5 - mean, 0.5])
    np.testing.assert_allclose(found[1], [-mean, -0.5])
    np.testing.assert_allclose(found[2], [2 - mean, 0.0])  # nothing to compare with in "c"


def test_the_spread_divides_where_asked():
    found = turn_advantages([[1.0], [3.0]], [["s"], ["s"]], 2, discount=1.0, eps=0.0)
    np.testing.assert_allclose([found[0][0], found[1][0]], [-1 / np.sqrt(2), 1 / np.sqrt(2)])


def test_one_episode_may_come_twice_through_a_state_and_prompts_stay_apart():
    rewards = [[0.0, 2.0], [1.0], [7.0]]
    found = turn_advantages(rewards, [["s", "s"], ["s"], ["s"]], 2, discount=1.0, normalise=False)
    np.testing.assert_allclose(found[0], [2 - 5 / 3, 2 - 5 / 3])
    np.testing.assert_allclose(found[1], [1 - 5 / 3])
    np.testing.assert_allclose(found[2], [0.0])


def test_an_episode_that_no_reward_judged_takes_no_part():
    found = turn_advantages([[np.nan], [1.0], [3.0]], [["s"]] * 3, 3, discount=1.0, normalise=False)
    np.testing.assert_allclose(np.concatenate(found), [0.0, -1.0, 1.0])


@pytest.mark.parametrize("value", [0.3, 0.1])
def test_equal_returns_are_exactly_nothing(value: float):
    found = turn_advantages([[value]] * 8, [["s"]] * 8, 8, discount=0.9)
    assert not np.concatenate(found).any()
