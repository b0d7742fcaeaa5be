"""The memory guard by injected readings: what it judges, and what a real run does about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config.training_config import MemoryConfig
from droid_tune.control import Control
from droid_tune.estimate.estimate import estimate
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.events import CheckpointSaved, Notice, PlanChosen, RunStarted, Step
from droid_tune.machine import host
from droid_tune.machine.budget import limit_of
from droid_tune.machine.host import Host
from droid_tune.model.checks.probe import Architecture
from droid_tune.train import assembly
from droid_tune.train.steering.memory_guard import Judgement, MemoryGuard, Reading, smaller, strongest
from tests.engine.train.conftest import tiny, train

CALM = Reading(active=10, peak=20, cache=5)


@pytest.mark.parametrize(
    ("reading", "action"),
    [
        (CALM, "none"),
        (Reading(active=40, peak=50, cache=29), "none"),
        (Reading(active=40, peak=50, cache=30), "clear"),  # 70 of 100 held
        (Reading(active=10, peak=84, cache=0), "none"),
        (Reading(active=10, peak=85, cache=0), "shrink"),
        (Reading(active=10, peak=94, cache=80), "shrink"),
        (Reading(active=10, peak=95, cache=0), "hold"),
        (replace(CALM, pressure="warning"), "clear"),
        (replace(CALM, pressure="critical"), "hold"),
    ],
)
def test_each_reading_calls_for_the_strongest_action_that_it_reaches(reading: Reading, action: str) -> None:
    assert MemoryGuard(100, lambda: reading).judge(reading).action == action


def test_the_reason_names_the_bytes_and_the_share() -> None:
    why = MemoryGuard(10_000_000_000).judge(Reading(active=0, peak=9_000_000_000, cache=0)).why
    assert "9.0 GB" in why
    assert "90%" in why


WHOLE = Architecture(("model",), shares_prompts=True, layer_wise=True)


def test_portions_shrink_by_rows_then_by_layers_then_by_head_and_then_no_more() -> None:
    plan: MemoryPlan | None = MemoryPlan(decode_rows=4, train_rows=4, head_tokens=32)
    seen: list[tuple[int, int, bool, int]] = []
    while (plan := smaller(plan, WHOLE)) is not None:
        seen.append((plan.decode_rows, plan.train_rows, plan.layer_wise, plan.head_tokens))
    assert seen == [(2, 2, False, 32), (1, 1, False, 32), (1, 1, True, 32), (1, 1, True, 16)]


def test_long_rows_go_in_segments_before_they_go_by_layers() -> None:
    plan = MemoryPlan(decode_rows=1, train_rows=1, head_tokens=16, row_tokens=2048)
    first = smaller(plan, WHOLE)
    assert first is not None
    assert (first.segment_tokens, first.layer_wise) == (128, False)
    second = smaller(first, WHOLE)
    assert second is not None
    assert (second.segment_tokens, second.layer_wise) == (128, True)
    assert smaller(second, WHOLE) is None


def test_a_model_that_cannot_be_taken_by_layers_is_not() -> None:
    alone = Architecture(("model",), shares_prompts=False)
    assert smaller(MemoryPlan(decode_rows=1, train_rows=1, head_tokens=16, row_tokens=2048), alone) is None


def test_a_fixed_budget_moves_the_limit_with_it() -> None:
    machine = Host(memory_bytes=4 * 2**30, gpu_limit_bytes=3 * 2**30, chip="")
    assert limit_of(MemoryConfig(budget_mb=75), machine) == 100 * 2**20
    assert limit_of(MemoryConfig(budget_mb=4096), machine) == 3 * 2**30
    for share in (0.1, 0.9):
        assert limit_of(MemoryConfig(budget_fraction=share), machine) == 3 * 2**30


class Injected(MemoryGuard):
    """Gives the readings one after another; the limit is 100."""

    readings: Iterator[Reading] = iter(())

    def __init__(self, _limit_bytes: int) -> None:
        super().__init__(100, lambda: next(self.readings, CALM))


def run_with(
    monkeypatch: pytest.MonkeyPatch, folder: Path, readings: list[Reading], control: Control | None = None
) -> list[Any]:
    Injected.readings = iter(readings)
    monkeypatch.setattr(assembly, "MemoryGuard", Injected)
    finished, record = train(tiny(), folder, control)
    assert finished.outcome == "completed", finished.why
    return record


def notices(record: list[Any]) -> list[str]:
    return [event.code for event in record if isinstance(event, Notice) and event.code.startswith("memory")]


def test_a_full_cache_is_cleared_and_said_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    full = Reading(active=40, peak=50, cache=40)
    assert notices(run_with(monkeypatch, tmp_path / "run", [full, full])) == ["memory_cache_cleared"]


def test_a_high_peak_saves_and_takes_smaller_portions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record = run_with(monkeypatch, tmp_path / "run", [Reading(active=10, peak=90, cache=0)])
    assert notices(record) == ["memory_replanned"]
    saved = next(
        place for place, event in enumerate(record) if isinstance(event, CheckpointSaved) and event.step == 1
    )
    planned = [place for place, event in enumerate(record) if isinstance(event, PlanChosen)]
    assert len(planned) == 2
    assert saved < planned[1]


def test_critical_pressure_saves_and_pauses_until_someone_says_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Eager(Control):
        """Someone who presses Go On as soon as the run is paused."""

        pauses = 0

        def request_pause(self) -> None:
            super().request_pause()
            assert self.pause_requested()
            self.pauses += 1
            self.resume()

    control = Eager()
    record = run_with(monkeypatch, tmp_path / "run", [replace(CALM, pressure="critical")], control)
    assert control.pauses == 1
    assert notices(record)[-1] == "memory_hold"
    assert any(isinstance(event, CheckpointSaved) and event.step == 1 for event in record)


def test_several_computers_do_what_the_one_that_is_shortest_needs() -> None:
    calm, short = Judgement("none"), Judgement("shrink", "the step took 9 GB")
    assert strongest([calm, short, Judgement("clear")]) == short
    assert strongest([calm, calm]) == calm


def test_every_step_tells_of_the_process_and_the_pressure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reading = replace(CALM, process=123, pressure="warning")
    record = run_with(monkeypatch, tmp_path / "run", [reading])
    step = next(event for event in record if isinstance(event, Step))
    assert step.metrics["memory/process_bytes"] == 123
    assert step.metrics["memory/pressure"] == 1


def test_a_run_in_a_container_keeps_the_budget_that_its_estimate_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """512 MiB are all that the container allows, whatever the machine around it has."""
    monkeypatch.setattr(host, "_cgroup_limits", lambda root, membership: [2**29])
    monkeypatch.setattr(host, "_fixed", host._fixed.__wrapped__)  # not remembered
    config = tiny()
    told = estimate(config)
    _, record = train(config, tmp_path / "run")
    memory = next(event.memory for event in record if isinstance(event, RunStarted))
    assert memory is not None
    assert told.budget_bytes == memory.budget_bytes == int(2**29 * config.memory.budget_fraction)
