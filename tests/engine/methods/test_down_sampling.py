"""Which completions of a group are trained on."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from droid_tune.methods.down_sampling import down_sampled, max_variance_subset

REWARDS = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, -1.0]), min_size=2, max_size=8)


@pytest.mark.parametrize(
    ("rewards", "kept", "expected"),
    [
        ([0, 0, 0, 1, 0, 0, 0, 1], 4, [0, 1, 3, 7]),  # both that are right, and as many that are not
        ([0, 0, 0, 1], 2, [0, 3]),
        ([1, 1, 1, 0], 2, [2, 3]),
        ([0.1, 0.5, 0.9, 0.4], 2, [0, 2]),  # the two ends
        ([0, 4, 5, 10], 3, [0, 1, 3]),  # variance 16.9, and 16.7 with 5 in place of 4
        ([3, 3, 3], 2, [1, 2]),  # nothing differs
    ],
)
def test_the_widest_are_kept(rewards: list[float], kept: int, expected: list[int]) -> None:
    found = max_variance_subset(np.array(rewards), kept).tolist()
    assert sorted(np.array(rewards)[found]) == sorted(np.array(rewards)[expected])


@given(REWARDS, st.data())
def test_no_other_subset_is_wider(rewards: list[float], data: st.DataObject) -> None:
    kept = data.draw(st.integers(1, len(rewards)))
    found = max_variance_subset(np.array(rewards), kept)
    assert found.tolist() == sorted(set(found.tolist()))
    assert len(found) == kept
    widest = max(
        np.var([rewards[place] for place in some]) for some in combinations(range(len(rewards)), kept)
    )
    assert np.var(np.array(rewards)[found]) == pytest.approx(widest)


def test_what_has_no_reward_is_chosen_last() -> None:
    nan = np.nan
    assert max_variance_subset(np.array([nan, 1.0, nan, 0.0]), 2).tolist() == [1, 3]
    assert max_variance_subset(np.array([nan, 1.0, nan, 0.0]), 3).tolist() == [0, 1, 3]


def test_groups_are_chosen_from_one_by_one() -> None:
    rewards = np.array([0.0, 1.0, 0.5, 0.5, 0.5, 3.0, 9.0, 0.0])
    assert down_sampled(rewards, 4, 2).tolist() == [0, 1, 6, 7]


def test_no_more_than_there_are() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        max_variance_subset(np.zeros(2), 3)
