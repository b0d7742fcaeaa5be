"""Joules from counters and gauges: readings are given, no machine is asked."""

from __future__ import annotations

import plistlib
from pathlib import Path

import pytest

from droid_tune.machine.energy import EnergyMeter, package_joules, watts_in
from droid_tune.words import energy


def meter(told: list[tuple[float, float | None, float | None]], known: float | None = None) -> EnergyMeter:
    """Of readings (seconds, counter, gauge)."""
    clocks, counters, gauges = (iter(column) for column in zip(*told, strict=True))
    return EnergyMeter(known, lambda: next(counters), lambda: next(gauges), lambda: next(clocks))


def test_a_counter_is_read_by_its_differences() -> None:
    """30 - 10, then a counter that began anew, then 9 - 4; the five minutes of a sleep are left out."""
    read = meter([(0, 10, None), (5, 30, None), (10, 4, None), (15, 9, None), (315, 900, None)])
    assert [read.read() for _ in range(5)] == [None, 20.0, 20.0, 25.0, 25.0]


def test_a_gauge_is_summed_over_time() -> None:
    """10 s at the mean of 20 and 30 watts, on top of what an earlier session took."""
    read = meter([(0, None, 20.0), (10, None, 30.0), (20, None, None)], known=100.0)
    assert [read.read() for _ in range(3)] == [100.0, 350.0, 350.0]


def test_a_machine_that_tells_nothing_tells_nothing() -> None:
    read = meter([(0, None, None), (10, None, None)])
    assert [read.read(), read.read()] == [None, None]


def test_packages_are_added_and_their_parts_are_not(tmp_path: Path) -> None:
    for name, value in (
        ("intel-rapl:0", "2000000"),
        ("intel-rapl:1", "500000"),
        ("intel-rapl:0:0", "900000"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(value)
    assert package_joules(tmp_path) == 2.5
    assert package_joules(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    ("told", "watts"),
    [
        ([{"PowerTelemetryData": {"SystemLoad": 9283}}], 9.283),
        ([{"PowerTelemetryData": {"SystemLoad": 2**63}}], None),  # an underflow, as drivers tell it
        ([{"PowerTelemetryData": {}}], None),
        ([{}], None),
        ([], None),
        ({}, None),
    ],
)
def test_a_macbooks_power_is_read_from_its_battery_controller(told: object, watts: float | None) -> None:
    assert watts_in(plistlib.dumps(told)) == watts
    assert watts_in(b"no property list") is None


@pytest.mark.parametrize(
    ("joules", "said"), [(1440, "0.4 Wh"), (306_000, "85 Wh"), (4_680_000, "1.3 kWh"), (0, "0 Wh")]
)
def test_energy_in_words(joules: float, said: str) -> None:
    assert energy(joules) == said
