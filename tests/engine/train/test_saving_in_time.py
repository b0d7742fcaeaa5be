"""Saved by the clock too, and with a look at the free space before a run and before each save."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import pytest

from droid_tune.events import CheckpointSaved, Step
from tests.engine.train.conftest import digest, resume, tiny, train

Usage = namedtuple("Usage", "total used free")


def saved(record: list[object]) -> list[int]:
    return [event.step for event in record if isinstance(event, CheckpointSaved)]


@pytest.mark.parametrize(("minutes", "steps"), [(1e-9, [1, 2, 3]), (0, [3]), (60, [3])])
def test_a_slow_run_is_saved_by_the_clock_too(minutes: float, steps: list[int], tmp_path: Path) -> None:
    config = tiny(training={"iterations": 3}, checkpoint={"save_every": 50, "save_minutes": minutes})
    _, record = train(config, tmp_path)
    assert saved([*record]) == steps


def test_a_resume_from_such_a_checkpoint_is_exact(tmp_path: Path) -> None:
    import shutil

    config = tiny(training={"iterations": 3}, checkpoint={"save_every": 50, "save_minutes": 1e-9, "keep": 0})
    train(config, tmp_path)
    whole = digest(tmp_path)
    shutil.rmtree(tmp_path / "checkpoints" / "step-000003")
    resume(tmp_path)
    assert digest(tmp_path) == whole


def test_a_full_disk_is_told_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("droid_tune.runs.disk.durable.shutil.disk_usage", lambda _folder: Usage(10, 9, 1000))
    finished, record = train(tiny(), tmp_path)
    assert finished.outcome == "failed"
    assert finished.why.startswith(
        f"No space is left on the disk that holds {tmp_path}: a checkpoint with the result"
    )
    assert finished.why.endswith("free some and resume the run.")
    assert not [event for event in record if isinstance(event, Step)]


def test_a_disk_that_fills_is_told_before_the_save_and_what_was_saved_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([10**12, 10**12])
    monkeypatch.setattr(
        "droid_tune.runs.disk.durable.shutil.disk_usage", lambda _folder: Usage(10, 9, next(looks, 1000))
    )
    finished, record = train(tiny(checkpoint={"save_every": 1}), tmp_path)
    assert finished.outcome == "failed"
    assert "the next checkpoint takes" in finished.why
    assert "and 1 KB are free; free some and resume the run." in finished.why
    assert saved([*record]) == [1]
    assert [one.name for one in (tmp_path / "checkpoints").iterdir()] == ["step-000001"]
