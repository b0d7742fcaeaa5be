"""GiGPO's turn advantages (arXiv 2505.10978), by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from droid_tune.config import resolve
from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.methods.advantages import Advantages
from droid_tune.methods.turn_credit import returns, turn_advantages
from droid_tune.rollout.episodes.trajectory import Trajectory
from droid_tune.train.exploring.episode_rewards import with_turns


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


def test_tokens_carry_their_episodes_advantage_and_their_turns_and_the_environments_none() -> None:
    """Two episodes of two turns, in equal states; a reward of ours beside the environment's, which counts twice.

    Turns earn 2 x (1, 0) and 2 x (0, 0); ours, and what the environment gave the whole, come with the last turn. Totals are
    2 + 3 = 5 and 1: returns at discount 0.5 are (2 + 0.5 x 3, 3) and (0.5 x 1, 1).
    """
    paths = [
        Trajectory(
            spans=((0, 2), (3, 4)), turn_rewards=(1.0, None), states=("ask", "told"), ending="answered"
        ),
        Trajectory(
            spans=((0, 1), (2, 4)), turn_rewards=(None, None), states=("ask", "told"), ending="answered"
        ),
    ]
    mask = np.array([[1, 1, 0, 1], [1, 0, 1, 1]], np.float32)
    rollout = SimpleNamespace(trajectories=paths, group_size=2, tokens=np.ones((2, 4)), completion_mask=mask)
    totals = np.array([5.0, 1.0])
    batch: Any = SimpleNamespace(rollout=rollout, totals=totals)
    whole = Advantages(np.array([2.0, -2.0], np.float32), totals, np.array([True]), {})
    config = resolve(
        {
            "method": {"type": "grpo", "scale_rewards": "none"},
            "environment": {
                "type": "class", "path": "x.py", "credit": "turn",
                "reward_weight": 2.0, "turn_weight": 0.5, "turn_discount": 0.5,
            },
        }
    )  # fmt: skip
    assert config.environment is not None
    assert isinstance(config.method, PolicyMethodConfig)
    found = with_turns(batch, whole, config.environment, config.method)
    first, last = (3.5 - 0.5) / 2, (3.0 - 1.0) / 2  # from the mean of each state
    np.testing.assert_allclose(
        found.values,
        [
            [2 + 0.5 * first, 2 + 0.5 * first, 0, 2 + 0.5 * last],
            [-2 - 0.5 * first, 0, -2 - 0.5 * last, -2 - 0.5 * last],
        ],
    )
    np.testing.assert_array_equal(found.of_completions, [2.0, -2.0])


def test_an_episode_that_failed_moves_no_token() -> None:
    failed = Trajectory(spans=((0, 2),), turn_rewards=(3.0,), states=("ask",), ending="failed")
    good = [
        Trajectory(spans=((0, 2),), turn_rewards=(value,), states=("ask",), ending="answered")
        for value in (0.0, 1.0)
    ]
    mask = np.ones((3, 2), np.float32)
    rollout = SimpleNamespace(
        trajectories=[failed, *good], group_size=3, tokens=np.ones((3, 2)), completion_mask=mask
    )
    totals = np.array([np.nan, 0.0, 1.0])
    batch: Any = SimpleNamespace(rollout=rollout, totals=totals)
    whole = Advantages(np.array([0.0, -0.5, 0.5], np.float32), totals, np.array([True]), {})
    config = resolve(
        {
            "method": {"type": "grpo", "scale_rewards": "none"},
            "environment": {"type": "class", "path": "x.py", "credit": "turn"},
        }
    )
    assert config.environment is not None
    assert isinstance(config.method, PolicyMethodConfig)
    found = with_turns(batch, whole, config.environment, config.method)
    np.testing.assert_allclose(found.values, [[0, 0], [-1, -1], [1, 1]])
