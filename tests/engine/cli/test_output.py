"""Numbers as a person reads them in a table."""

from __future__ import annotations

import pytest

from droid_tune.cli.output import amount


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "", "-"),
        (0.123456, "", "0.123"),
        (1e-05, "", "1e-05"),
        (2063.4, "", "2,063"),
        (0.25, "share", "25%"),
        (1_500_000_000, "bytes", "1.5 GB"),
        (70_400_000, "bytes", "70.4 MB"),
        (12.6, "tokens", "13"),
        (0.04, "s", "0.04 s"),
    ],
)
def test_a_number_is_short_and_keeps_its_unit(value: float | None, unit: str, text: str) -> None:
    assert amount(value, unit) == text
