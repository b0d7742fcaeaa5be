"""Bounds of a share, against figures that can be looked up."""

from __future__ import annotations

import numpy as np
import pytest

from droid_tune.bounds import deviations_of, looks, wilson


def test_half_of_ten_rows_is_told_as_wide_as_it_is() -> None:
    """z² = 3.8416: (0.5 + 0.19208 ± 1.96 * sqrt(0.025 + 0.009604)) / 1.38416."""
    assert wilson(0.5, 10, 1.96) == pytest.approx((0.23659, 0.76341), abs=1e-5)


@pytest.mark.parametrize(("share", "bounds"), [(0.0, (0.0, 0.5615)), (1.0, (0.4385, 1.0))])
def test_three_of_three_is_not_certain(share: float, bounds: tuple[float, float]) -> None:
    """3 / (3 + 3.8415) = 0.4385."""
    assert wilson(share, 3) == pytest.approx(bounds, abs=1e-4)


def test_nothing_counted_may_be_anything() -> None:
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_more_rows_are_narrower() -> None:
    widths = [high - low for low, high in (wilson(0.7, rows) for rows in (10, 100, 1000))]
    assert widths == sorted(widths, reverse=True)


def test_looks_double_and_end_with_all_rows() -> None:
    assert looks(500) == [64, 128, 256, 500]
    assert looks(64) == [64]
    assert looks(10) == [10]


def test_one_look_errs_in_one_of_twenty_and_several_share_that() -> None:
    assert deviations_of(1) == pytest.approx(1.95996, abs=1e-5)
    assert deviations_of(5) == pytest.approx(2.57583, abs=1e-5)  # 99 %


@pytest.mark.parametrize("share", [0.1, 0.5, 0.93])
def test_a_count_that_ends_when_it_is_narrow_holds_the_truth_as_often_as_it_says(share: float) -> None:
    """2,000 counts of up to 1,024 rows, each ended at the first look within 6 points: 95 % of them hold the share."""
    planned, within = looks(1024), 0.06
    right = np.random.default_rng(1).random((2000, 1024)) < share
    held = ended_early = 0
    for one in right:
        for rows in planned:
            least, most = wilson(float(one[:rows].mean()), rows, deviations_of(len(planned)))
            if most - least <= 2 * within or rows == planned[-1]:
                break
        held += least <= share <= most
        ended_early += rows < planned[-1]
    assert held >= 0.95 * len(right)
    assert ended_early > 0.9 * len(right)
