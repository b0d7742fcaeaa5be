"""Bounds of a share, against figures that can be looked up."""

from __future__ import annotations

import pytest

from droid_tune.bounds import wilson


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
