"""Before a run it is timed how many rows go together, here by a clock that says what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import RunConfig
from droid_tune.estimate.busy_tokens import Busy
from droid_tune.estimate.calibration import busy_in, work_key, write_calibration
from droid_tune.estimate.forecast import calibration_for
from droid_tune.events import PlanChosen
from droid_tune.model.plan_for import planner_for
from droid_tune.train.saving.run_record import lengths_of
from droid_tune.train.starting import measuring
from droid_tune.train.starting.measuring import measure_rows
from droid_tune.train.training_session import TrainingSession
from tests.engine.train.conftest import resume, tiny
from tests.engine.train.learning import session_of
from tests.engine.train.stopping import stopped_after

ALWAYS: dict[str, Any] = {"memory": {"measure_rows": "always"}, "training": {"batch_size": 2}}


class Clock:
    """Every other reading, the end of a piece of work, is the next of `seconds` after the one before."""

    def __init__(self, *seconds: float) -> None:
        self.seconds: Iterator[float] = cycle(seconds)
        self.now, self.read = 0.0, 0

    def __call__(self) -> float:
        self.now += next(self.seconds) if self.read % 2 else 0.0
        self.read += 1
        return self.now


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> TrainingSession:
    return session_of(tmp_path_factory.mktemp("run"), **ALWAYS)


@pytest.fixture
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """For one trial of each way that counts."""
    monkeypatch.setattr(measuring, "MOST_SHARE", 1e9)
    monkeypatch.setattr("droid_tune.estimate.quickest.COUNTED", 1)


def planned(session: TrainingSession, **memory: Any) -> TrainingSession:
    """The session as a run would begin it, with other settings of memory."""
    changed = session.config.memory.model_copy(update=memory)
    config = session.config.model_copy(update={"memory": changed})
    planner = planner_for(config, session.policy, lengths_of(session))
    return replace(session, config=config, plan=planner.plan(busy_in(calibration_for(config)[1], config)))


def measured(session: TrainingSession, clock: Clock) -> list[str]:
    """What is told of it."""
    told: list[str] = []

    def tell(code: str, text: str, remedy: str = "", *, level: str = "warning") -> None:
        assert (code, level) == ("rows_measured", "info")
        told.append(text)

    measure_rows(session, tell, clock)
    return told


@pytest.mark.usefixtures("time_enough")
def test_the_quickest_rows_are_the_sessions_and_kept_so_that_nothing_is_timed_again(
    loaded: TrainingSession,
) -> None:
    session, clock = planned(loaded), Clock(0.3, 0.1, 0.2)  # waves of 8, 4 and 2 rows
    assert (session.plan.decode_rows, session.plan.train_rows) == (8, 8)
    told = measured(session, clock)
    assert session.plan.decode_rows == 4
    assert "4 rows decoded together (33% of the time that 8 take)" in told[0]
    kept = busy_in(calibration_for(session.config)[1], session.config)
    assert kept.wave == 4
    assert kept.whole  # two or more micro-batches were timed after the waves
    again, unread = planned(loaded), Clock(1)
    assert measured(again, unread) == []
    assert (again.plan, unread.read) == (session.plan, 0)


@pytest.mark.usefixtures("time_enough")
def test_micro_batches_of_examples_are_timed(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "method": {"type": "sft"},
        "training": {"batch_size": 56, "max_seq_length": 64},
    }
    session = planned(session_of(tmp_path, **{**ALWAYS, **changes}))
    usual = session.plan.busy_tokens
    told = measured(session, Clock(0.4, 0.2, 0.4))
    assert session.plan.busy_tokens == usual // 2
    assert "trained together (50% of the time" in told[0]


@pytest.mark.usefixtures("time_enough")
@pytest.mark.parametrize(
    "memory",
    [
        {"measure_rows": "never"},
        {"measure_rows": "auto"},  # the tests' device is the processor
        {"rows_per_decode_batch": 4, "rows_per_micro_batch": 2},
    ],
)
def test_nothing_is_timed_where_nobody_wants_it(loaded: TrainingSession, memory: dict[str, Any]) -> None:
    clock = Clock(1)
    assert measured(planned(loaded, **memory), clock) == []
    assert clock.read == 0


def test_a_short_run_is_not_held_up(loaded: TrainingSession, monkeypatch: pytest.MonkeyPatch) -> None:
    session, clock = planned(loaded), Clock(5)
    usual = session.plan
    monkeypatch.setattr(measuring, "MOST_SHARE", 0.0)
    assert measured(session, clock) == []
    assert clock.read == 0  # the estimate says that the time does not suffice
    monkeypatch.setattr(measuring, "MOST_SHARE", 1e9)
    monkeypatch.setattr(measuring, "MOST_SECONDS", 36.0)
    assert measured(session, clock) == []
    assert clock.read == 4  # so does one trial of each kind that takes 5 seconds
    assert session.plan == usual


def keep(config: RunConfig, busy: Busy) -> None:
    file, known = calibration_for(config)
    write_calibration(file, known.with_busy(work_key(config), busy))


def test_a_resume_goes_on_in_the_runs_own_portions_whatever_was_timed_since(tmp_path: Path) -> None:
    keep(tiny(**ALWAYS), Busy(whole=60, wave=3))
    stopped_after(tmp_path / "run", 1, **ALWAYS)
    keep(tiny(**ALWAYS), Busy(whole=900, wave=8))
    finished, record = resume(tmp_path / "run")
    assert finished.outcome == "completed"
    plans = [event for event in record if isinstance(event, PlanChosen)]
    assert [plan.sentence.split(",")[0] for plan in plans] == [
        "2 rows at a time"
    ]  # 60 tokens; 900 would be all 8
