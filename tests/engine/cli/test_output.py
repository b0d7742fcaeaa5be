"""Numbers as a person reads them in a table."""

from __future__ import annotations

import pytest

from droid_tune.cli.output import amount, duration


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "", "-"),
        (0.123456, "", "0.123"),
        (1e-05, "", "1e-05"),
        (2063.4, "", "2,063"),
        (0.25, "share", "25%"),
        (1_500_000_000, "bytes", "1.50 GB"),
        (70_400_000, "bytes", "70 MB"),
        (12.6, "tokens", "13"),
        (0.04, "s", "0.0 s"),
    ],
)
def test_a_number_is_short_and_keeps_its_unit(value: float | None, unit: str, text: str) -> None:
    assert amount(value, unit) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4 s"), (12.3, "12 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
