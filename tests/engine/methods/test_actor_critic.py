"""A critic's numbers, by hand."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.methods.actor_critic import (
    advantages_and_returns,
    explained_variance,
    token_rewards,
    whitened,
)
from droid_tune.methods.losses.critic_loss import critic_loss

MASK = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], float)


def test_the_reward_comes_with_the_last_token_and_the_penalty_where_it_arises() -> None:
    penalty = np.array([[0.1, 0.2, 0.0, -0.1, 9.0], [0.5, 0.0, 9.0, 9.0, 9.0]])
    found = token_rewards(np.array([1.0, 2.0]), penalty, MASK)
    expected = [[-0.1, -0.2, 0.0, 1.1, 0.0], [-0.5, 2.0, 0.0, 0.0, 0.0]]
    assert found == pytest.approx(np.array(expected))


def test_generalised_advantages_of_four_tokens() -> None:
    """gamma 0.9, lambda 0.5; rewards 0 0 0 1, values .1 .2 .3 .4: from the end
    d4 = 1 - .4 = .6                        A4 = .6
    d3 = .9 x .4 - .3 = .06                 A3 = .06 + .45 x .6    = .33
    d2 = .9 x .3 - .2 = .07                 A2 = .07 + .45 x .33   = .2185
    d1 = .9 x .2 - .1 = .08                 A1 = .08 + .45 x .2185 = .178325
    """
    rewards = np.array([[0.0, 0.0, 0.0, 1.0, 7.0]])
    values = np.array([[0.1, 0.2, 0.3, 0.4, 7.0]])
    found, returns = advantages_and_returns(rewards, values, MASK[:1], gamma=0.9, lam=0.5)
    assert found[0] == pytest.approx([0.178325, 0.2185, 0.33, 0.6, 0.0])
    assert returns[0] == pytest.approx([0.278325, 0.4185, 0.63, 1.0, 0.0])


def test_what_an_environment_says_in_between_is_stepped_over() -> None:
    """The four tokens of above with two of a tool's between the second and the third."""
    mask = np.array([[1, 1, 0, 0, 1, 1, 0]], float)
    rewards = token_rewards(np.array([1.0]), None, mask)
    assert rewards.tolist() == [[0, 0, 0, 0, 0, 1, 0]]
    values = np.array([[0.1, 0.2, 5.0, 5.0, 0.3, 0.4, 5.0]])
    found, returns = advantages_and_returns(rewards, values, mask, gamma=0.9, lam=0.5)
    assert found[0] == pytest.approx([0.178325, 0.2185, 0.0, 0.0, 0.33, 0.6, 0.0])
    assert returns[0] == pytest.approx([0.278325, 0.4185, 0.0, 0.0, 0.63, 1.0, 0.0])


def test_with_lambda_one_and_no_discount_the_return_is_what_is_still_to_come() -> None:
    rewards = np.array([[-0.1, -0.2, 0.0, 1.1, 0.0]])
    _, returns = advantages_and_returns(rewards, np.full((1, 5), 3.0), MASK[:1], gamma=1.0, lam=1.0)
    assert returns[0] == pytest.approx([0.8, 0.9, 1.1, 1.1, 0.0])


def test_whitening_is_over_all_tokens_and_may_keep_the_mean() -> None:
    """1 2 3 4 and 5 6: mean 3.5, variance 3.5 (ddof 1)."""
    values = np.array([[1.0, 2.0, 3.0, 4.0, 99.0], [5.0, 6.0, 99.0, 99.0, 99.0]])
    found, kept = whitened(values, MASK), whitened(values, MASK, centred=False)
    assert found[0, 0] == pytest.approx(-2.5 / 3.5**0.5)
    assert kept[1, 1] == pytest.approx(2.5 / 3.5**0.5 + 3.5)
    assert found[0, 4] == kept[1, 2] == 0.0


def test_explained_variance_is_one_for_a_prophet_and_nought_for_a_constant() -> None:
    returns = np.array([[1.0, 2.0, 3.0, 4.0, 0.0], [5.0, 6.0, 0.0, 0.0, 0.0]])
    assert explained_variance(returns, returns, MASK) == 1.0
    assert explained_variance(np.ones((2, 5)), returns, MASK) == pytest.approx(0.0)
    assert explained_variance(-returns, returns, MASK) == pytest.approx(-3.0)
    assert np.isnan(explained_variance(returns, np.ones((2, 5)), MASK))


def test_of_both_value_errors_the_larger_one_counts_and_a_value_that_went_too_far_has_no_gradient() -> None:
    """Before 0, returned 1, clip 0.2. At 0.5 held at 0.2: (0.2 - 1)^2 = .64 > .25. At -0.1: 1.21. At 2: 1 > .64."""
    mask, before, returns = mx.ones((1, 3)), mx.zeros((1, 3)), mx.ones((1, 3))
    values = mx.array([[0.5, -0.1, 2.0]])

    def loss(found: mx.array) -> mx.array:
        return critic_loss(found, before, returns, mask, 0.2, 3.0)[0]

    value, slopes = mx.value_and_grad(loss)(values)
    assert value.item() == pytest.approx(0.5 * (0.64 + 1.21 + 1.0) / 3, rel=1e-6)
    np.testing.assert_allclose(slopes, [[0.0, -1.1 / 3, 1.0 / 3]], atol=1e-6)
    assert critic_loss(values, before, returns, mask, 0.2, 3.0)[1]["critic/clipped"].item() == 1.0
