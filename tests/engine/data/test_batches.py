"""Order and cursor: every row once per epoch, exact resume, equal shares."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droid_tune.data.order.batches import PromptBatches, permutation
from droid_tune.errors import UserError

ROWS = [{"prompt": str(number)} for number in range(10)]


def test_each_epoch_draws_every_row_once_and_batches_are_never_ragged():
    batches = PromptBatches(ROWS, batch_size=4, seed=1)
    drawn = [index for _ in range(5) for index in batches.take().indices]
    assert len(drawn) == 20
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))


def test_epochs_have_different_orders_that_depend_on_the_seed_alone():
    assert list(permutation(10, 1, 0)) != list(permutation(10, 1, 1))
    assert list(permutation(10, 1, 0)) == list(permutation(10, 1, 0))
    assert list(permutation(10, 1, 0)) != list(permutation(10, 2, 0))


def test_the_order_is_the_same_for_ever():
    assert list(permutation(8, 42, 0)) == [0, 1, 4, 2, 6, 5, 7, 3]


@given(st.integers(1, 9), st.integers(0, 12), st.integers(1, 30))
def test_a_restored_cursor_goes_on_exactly(batch_size: int, taken: int, seed: int):
    batches = PromptBatches(ROWS, batch_size, seed)
    for _ in range(taken):
        batches.take()
    state = json.loads(json.dumps(batches.state()))
    resumed = PromptBatches(ROWS, batch_size, seed + 1)
    resumed.restore(state)
    assert [resumed.take() for _ in range(4)] == [batches.take() for _ in range(4)]


def test_without_shuffling_rows_come_in_the_order_of_the_file():
    batches = PromptBatches(ROWS, 4, seed=3, shuffle=False)
    assert [batches.take().indices for _ in range(3)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]


def test_a_changed_number_of_rows_is_said_on_resume():
    state = PromptBatches(ROWS, 4, seed=3).state()
    with pytest.raises(UserError, match="there were 10, now 9"):
        PromptBatches(ROWS[:9], 4, seed=3).restore(state)


@pytest.mark.parametrize(("rows", "drawn"), [(9, 11), (10, 13), (20, 26)])
def test_other_rows_that_were_accepted_are_gone_on_with_as_far_in_as_many_epochs(rows: int, drawn: int):
    batches = PromptBatches(ROWS, 13, seed=3)
    batches.take()
    resumed = PromptBatches([*ROWS, *ROWS][:rows], 4, seed=3)
    resumed.accept_other_rows()
    resumed.restore(batches.state())
    assert resumed.state()["drawn"] == drawn  # 1 epoch, and 3 of 10


def test_no_rows_is_one_sentence():
    with pytest.raises(UserError, match="no row"):
        PromptBatches([], 4, seed=0)
