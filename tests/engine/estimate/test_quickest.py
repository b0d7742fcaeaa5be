"""How many rows go together, as it was timed: which way is taken, what is kept of it, and the budget all the same."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from droid_tune.config import resolve
from droid_tune.estimate.busy_tokens import Busy
from droid_tune.estimate.calibration import (
    MOST_WORKS,
    Calibration,
    busy_in,
    read_calibration,
    work_key,
    write_calibration,
)
from droid_tune.estimate.estimate import estimate
from droid_tune.estimate.planning import AIM, choose, smallest
from droid_tune.estimate.quickest import quickest
from tests.engine.estimate.test_memory import JOB, sizes


def ways(*seconds: list[float]) -> list[Callable[[], float]]:
    """Ways that take these seconds, one after the other and then again."""
    return [cycle(one).__next__ for one in seconds]


def test_the_least_of_each_counts_and_the_first_trial_does_not() -> None:
    found = quickest(ways([1, 4, 4, 4], [9, 3, 5, 5]), 0, 100)
    assert found is not None
    assert (found.chosen, found.least, found.spent) == (1, (4, 3), 35)
    assert found.share(0) == 0.75


def test_what_gains_next_to_nothing_is_not_worth_a_change() -> None:
    found = quickest(ways([1.0], [0.96]), 0, 100)
    assert found is not None
    assert found.chosen == 0


def test_time_that_does_not_suffice_for_two_trials_of_each_says_nothing() -> None:
    seen: list[int] = []
    assert quickest([lambda: seen.append(0) or 3.0, lambda: seen.append(1) or 1.0], 0, 10) is None
    assert seen == [0]  # 2 ways, twice each, at 3 seconds: known after the first
    assert quickest(ways([2.0], [9.0]), 0, 10) is None
    found = quickest(ways([2.0], [1.0]), 0, 9)  # three rounds of 3 seconds
    assert found is not None
    assert (found.chosen, found.spent) == (1, 9)


def test_what_was_timed_decides_the_portions() -> None:
    usual = choose(sizes(), JOB, 10**12, backward="two_stage").plan
    timed = choose(sizes(), JOB, 10**12, backward="two_stage", busy=Busy(shared=400, wave=16)).plan
    assert (usual.decode_rows, usual.train_rows) == (32, 2)  # 128 tokens of completions of 100
    assert (timed.decode_rows, timed.train_rows) == (16, 4)
    assert choose(sizes(), JOB, 10**12).plan.train_rows == 32  # so small a model's rows go all at once
    whole = choose(sizes(), JOB, 10**12, busy=Busy(whole=400)).plan
    assert (whole.train_rows, whole.busy_tokens) == (2, 400)  # rows of 200


def test_rows_that_are_set_by_hand_are_not_changed() -> None:
    plan = choose(sizes(), JOB, 10**12, decode_rows=5, train_rows=3, busy=Busy(shared=800, wave=16)).plan
    assert (plan.decode_rows, plan.train_rows) == (5, 3)


@given(st.integers(1_000_000, 200_000_000), st.integers(1, 10_000), st.integers(1, 64))
@settings(deadline=None, max_examples=25)
def test_the_budget_holds_whatever_was_timed(budget: int, tokens: int, wave: int) -> None:
    chosen = choose(sizes(), JOB, budget, busy=Busy(shared=tokens, whole=tokens, wave=wave))
    least = smallest(sizes(), JOB).peak.bytes
    assert chosen.peak.bytes <= max(AIM * budget, 1.001 * least) or not chosen.fits


def test_what_was_timed_is_kept_of_each_work_and_the_estimate_reckons_with_it(tmp_path: Path) -> None:
    config = resolve({"method": {"type": "grpo", "group_size": 8}})
    timed = Calibration(runs=2).with_busy(work_key(config), Busy(shared=64, whole=64, wave=8))
    write_calibration(tmp_path / "kept.json", timed)
    kept = read_calibration(tmp_path / "kept.json")
    assert kept == timed
    assert busy_in(kept, config) == Busy(shared=64, whole=64, wave=8)
    assert estimate(config, calibration=kept).plan.decode_rows == 8
    never = config.model_copy(update={"memory": config.memory.model_copy(update={"measure_rows": "never"})})
    assert busy_in(kept, never) == busy_in(kept, resolve({"method": {"type": "sft"}})) == Busy()
    assert estimate(never, calibration=kept).plan.decode_rows == 32
    for number in range(MOST_WORKS):
        timed = timed.with_busy(str(number), Busy(wave=1))
    assert busy_in(timed, config) == Busy()  # the oldest is gone


@pytest.mark.parametrize(
    "damage", ['{"a": {"wave": -1}}', '{"a": {"wave": 1.5}}', '{"a": {"rows": 2}}', '{"a": 3}', "7"]
)
def test_a_damaged_file_is_no_calibration(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "kept.json"
    file.write_text('{"version": 1, "rollout": 1.0, "busy": ' + damage + "}", encoding="utf-8")
    assert read_calibration(file) is None
