"""No run of a queue begins, or goes on, while the battery is low; it does by itself afterwards."""

from __future__ import annotations

import json

import pytest

from droid_tune.machine.power import PowerReading
from droid_tune.paths import settings_file
from droid_tune.queue.power_wait import PowerGate

LOW = PowerReading(charge=0.1, plugged_in=False)
FINE = PowerReading(charge=0.1, plugged_in=True)


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("DROID_TUNE_HOME", str(tmp_path))


def waited(*readings: PowerReading, stops: bool = False) -> tuple[list[str], int]:
    """What was said, and how many readings were taken."""
    said: list[str] = []
    left = list(readings)
    PowerGate(lambda: stops, said.append, lambda: left.pop(0), every=0.0).wait()
    return said, len(readings) - len(left)


def test_a_low_battery_is_said_once_and_waited_for() -> None:
    assert waited(LOW, LOW, FINE) == (["no run begins now: the battery has 10%"], 3)


def test_nothing_is_said_where_a_run_may_begin() -> None:
    assert waited(FINE) == ([], 1)


def test_a_run_that_trains_is_asked_to_rest_and_the_machine_is_not_asked_each_time() -> None:
    said: list[str] = []
    left = [FINE, FINE, LOW]
    gate = PowerGate(lambda: False, said.append, lambda: left.pop(0), every=0.0)
    gate.wait()
    assert [gate.closes(), gate.closes()] == [False, True]
    assert said == ["the run is saved and waits: the battery has 10%"]
    slow = PowerGate(lambda: False, said.append, lambda: FINE, every=3600.0)
    slow.wait()
    slow._read = lambda: LOW
    assert not slow.closes()


def test_a_stop_ends_the_wait() -> None:
    assert waited(LOW, stops=True) == ([], 1)


@pytest.mark.parametrize("settings", [{"pause_below": 0}, {"pause_below": 5}])
def test_the_windows_settings_decide(settings: dict[str, int]) -> None:
    settings_file().parent.mkdir(parents=True, exist_ok=True)
    settings_file().write_text(json.dumps(settings))
    assert waited(LOW) == ([], 1)


@pytest.mark.parametrize(
    "text", ["[]", "{", *(f'{{"pause_below": {odd}}}' for odd in ('"much"', -5, "1" + "0" * 400))]
)
def test_odd_settings_are_the_usual_rule(text: str) -> None:
    settings_file().parent.mkdir(parents=True, exist_ok=True)
    settings_file().write_text(text)
    assert waited(LOW, FINE)[1] == 2
