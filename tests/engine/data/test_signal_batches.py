"""Rows that teach come often, solved and hopeless ones rest and come back, and a resumed order is the same."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from droid_tune.data.order.signal_batches import LEAST_WEIGHT, REST, SignalBatches

ROWS = [{"prompt": str(number)} for number in range(40)]


def answers(chance: float, size: int = 8) -> list[float]:
    """A group of which the share `chance` is right."""
    return [1.0] * round(chance * size) + [0.0] * (size - round(chance * size))


def drawn(batches: SignalBatches, chances: list[float], times: int) -> Counter[int]:
    """How often each row came, when every row is answered as `chances` say."""
    count: Counter[int] = Counter()
    for _ in range(times):
        indices = batches.take().indices
        batches.observe(indices, np.array([answers(chances[index]) for index in indices]))
        count.update(indices)
    return count


def test_the_weight_of_a_row_is_what_is_expected_of_its_spread():
    batches = SignalBatches(ROWS, batch_size=2, seed=0)
    assert batches.weights() == pytest.approx(np.full(40, 1 / (2 * 3)))  # Beta(1, 1): E[p (1 - p)] = 1/6
    first, second = batches.take().indices
    batches.observe([first, second], np.array([answers(0.5), answers(1.0)]))
    for _ in range(REST):
        batches.take()
    weights = batches.weights()
    fade = 0.5 ** (REST / 50)
    lately = np.array([12, 4]) * 0.9**REST + 1  # what all showed, fading, and one of each
    right, wrong = 2 * lately / lately.sum()
    a, b = 4 * fade + right, 4 * fade + wrong
    assert weights[first] == pytest.approx(a * b / ((a + b) * (a + b + 1)))
    a, b = 8 * fade + right, wrong
    assert weights[second] == pytest.approx(a * b / ((a + b) * (a + b + 1)))
    assert weights[first] > 2 * weights[second]


def test_mixed_rows_come_often_and_all_others_come_back():
    chances = [0.5] * 10 + [1.0] * 15 + [0.0] * 15
    count = drawn(SignalBatches(ROWS, batch_size=4, seed=3), chances, 200)
    mixed = np.mean([count[row] for row in range(10)])
    rest = [count[row] for row in range(10, 40)]
    assert mixed > 2 * np.mean(rest)
    assert min(rest) >= 3


def test_every_row_is_tried_though_the_first_ones_teach_well():
    count = drawn(SignalBatches(ROWS, batch_size=4, seed=1), [0.5] * 40, 40)
    assert len(count) == 40


def test_a_row_rests_after_it_was_drawn():
    batches = SignalBatches(ROWS, batch_size=4, seed=0)
    takes = [set(batches.take().indices) for _ in range(30)]
    for place in range(1, len(takes)):
        recent = set().union(*takes[max(place - REST + 1, 0) : place])
        assert not takes[place] & recent


def test_a_batch_of_more_rows_than_there_are_repeats_them():
    assert Counter(SignalBatches(ROWS[:3], batch_size=7, seed=0).take().indices).total() == 7


def test_rewards_of_any_range_count_from_their_lowest_to_their_highest():
    plain, wide = (SignalBatches(ROWS, batch_size=2, seed=0) for _ in range(2))
    for batches, scale in ((plain, 1.0), (wide, 5.0)):
        for _ in range(6):
            indices = batches.take().indices
            batches.observe(indices, scale * np.array([answers(0.5), answers(1.0)]))
    assert wide.weights() == pytest.approx(plain.weights())


def test_what_no_reward_judged_tells_nothing():
    batches = SignalBatches(ROWS, batch_size=1, seed=0)
    before = batches.weights()
    batches.observe([0], np.array([[np.nan, np.nan]]))
    assert batches.weights() == pytest.approx(before)


def test_no_weight_falls_below_the_least():
    batches = SignalBatches(ROWS, batch_size=4, seed=0)
    drawn(batches, [1.0] * 40, 60)
    weights = batches.weights()
    assert weights[weights > 0].min() >= LEAST_WEIGHT


@given(st.integers(1, 50), st.integers(0, 12), st.integers(0, 30))
def test_a_restored_order_goes_on_exactly(batch_size: int, taken: int, seed: int):
    chances = [(row % 9) / 8 for row in range(40)]
    batches = SignalBatches(ROWS, batch_size, seed)
    drawn(batches, chances, taken)
    resumed = SignalBatches(ROWS, batch_size, seed + 1)
    resumed.restore(json.loads(json.dumps(batches.state())))
    for _ in range(3):
        one, other = batches.take(), resumed.take()
        assert one == other
        assert batches.told() == resumed.told()
        for order in (batches, resumed):
            order.observe(one.indices, np.array([answers(chances[index]) for index in one.indices]))
