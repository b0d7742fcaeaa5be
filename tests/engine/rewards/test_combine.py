"""Weights, None, failures: hand-checked sums."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from droid_tune.config.rewards import AccuracyReward, FormatReward
from droid_tune.errors import UserError
from droid_tune.rewards.base import EachReward, Failed, Graded, Outcome, Reward, RewardError, Sample
from droid_tune.rewards.combine import RewardScores, RewardSet, TooManyFailures, WeighedReward
from droid_tune.rewards.table import build_rewards


class Told(Reward):
    """Says what it was told to say, and counts how often it was asked."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = list(outcomes)
        self.asked = 0
        self.closed = False

    def score(self, samples: Sequence[Sample]) -> list[Outcome]:
        self.asked += 1
        return self._outcomes

    def close(self) -> None:
        self.closed = True


def run(*rewards: WeighedReward, n: int) -> RewardScores:
    return RewardSet(rewards).score([""] * n, [""] * n, [{}] * n, [1] * n, ["stop"] * n)


def test_the_total_is_the_weighted_sum_of_what_applied() -> None:
    scores = run(
        WeighedReward("a", 1.0, Told(1.0, 0.0, None, None)),
        WeighedReward("b", 0.5, Told(2.0, None, 4.0, None)),
        n=4,
    )
    assert scores.totals[:3].tolist() == [2.0, 0.0, 2.0]  # 1 + 0.5*2, 0, 0.5*4
    assert math.isnan(scores.totals[3])
    assert np.array_equal(scores.parts["b"], [2.0, math.nan, 4.0, math.nan], equal_nan=True)
    assert not scores.failed.any()


def test_a_failed_completion_has_no_total_even_where_another_reward_judged_it() -> None:
    scores = run(
        WeighedReward("a", 1.0, Told(1.0, 1.0)),
        WeighedReward("b", 1.0, Told(0.5, Failed("broke", "rewards.py:3"))),
        n=2,
    )
    assert scores.totals[0] == 1.5
    assert math.isnan(scores.totals[1])
    assert scores.parts["a"].tolist() == [1.0, 1.0]  # still shown
    assert np.isnan(scores.matrix[1]).all()  # but not learnt from
    assert [failure.sentence() for failure in scores.failures] == [
        "The reward `b` failed on completion 2 (rewards.py:3): broke"
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_a_failure(value: float) -> None:
    scores = run(WeighedReward("a", 1.0, Told(1.0, value)), n=2)
    assert [failure.index for failure in scores.failures] == [1]


def test_past_its_share_of_failures_the_run_stops() -> None:
    half = WeighedReward("a", 1.0, Told(1.0, Failed("x")), failure_share=0.5)
    assert run(half, n=2).totals[0] == 1.0  # exactly the share is allowed
    more = WeighedReward("a", 1.0, Told(1.0, Failed("x"), Failed("boom", "rewards.py:7")), failure_share=0.5)
    with pytest.raises(TooManyFailures, match=r"`a` failed on 2 of 3 completions .*completion 2: x"):
        run(more, n=3)


def test_every_reward_is_asked_once_per_rollout() -> None:
    told = Told(1.0, 1.0)
    run(WeighedReward("a", 1.0, told), n=2)
    assert told.asked == 1


def test_the_parts_of_a_graded_reward_are_shown_and_not_added() -> None:
    scores = run(WeighedReward("a", 2.0, Told(Graded(0.5, {"x": 0.25, "y": 0.75}), 1.0)), n=2)
    assert scores.totals.tolist() == [1.0, 2.0]
    assert list(scores.shown) == ["a", "a.x", "a.y"]
    assert np.array_equal(scores.details["a.x"], [0.25, math.nan], equal_nan=True)


def test_misuse_becomes_a_failure_of_its_sample_only() -> None:
    def judge(sample: Sample) -> float:
        if not sample.row:
            raise RewardError("no row")
        return 1.0

    assert EachReward(judge).score([Sample("", "", {"a": 1}), Sample("", "")]) == [1.0, Failed("no row")]


def test_leaving_the_set_closes_its_rewards() -> None:
    told = Told()
    with RewardSet([WeighedReward("a", 1.0, told)]):
        pass
    assert told.closed


def test_columns_that_no_row_has_are_asked_for_before_training() -> None:
    rewards = build_rewards([AccuracyReward(), FormatReward()], max_completion_length=10)
    rewards.check_rows([{"prompt": "a"}, {"prompt": "b", "answer": "c"}])
    with pytest.raises(
        UserError, match=r"`accuracy` needs the column `answer`, which no row has.*\(the rows have prompt\)"
    ):
        rewards.check_rows([{"prompt": "a", "answer": None}])


def test_two_rewards_of_one_name_are_refused() -> None:
    with pytest.raises(UserError, match="Two rewards are called `accuracy`"):
        build_rewards([AccuracyReward(), AccuracyReward()], max_completion_length=10)
    build_rewards([AccuracyReward(), AccuracyReward(name="strict")], max_completion_length=10)


@given(
    st.lists(st.tuples(*[st.none() | st.floats(-5, 5)] * 3), min_size=1, max_size=8),
    st.permutations(range(3)),
)
def test_the_order_of_rewards_changes_nothing(table: list[tuple[Any, ...]], order: list[int]) -> None:
    rewards = [WeighedReward(str(k), k - 0.5, Told(*[row[k] for row in table])) for k in range(3)]
    straight = run(*rewards, n=len(table)).totals
    shuffled = run(*[rewards[k] for k in order], n=len(table)).totals
    np.testing.assert_allclose(straight, shuffled, atol=1e-12)
