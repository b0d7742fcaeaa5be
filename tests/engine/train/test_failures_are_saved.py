"""Whatever ends a run, the steps that are finished stay; only what a failed GPU may have computed is not trusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from droid_tune.errors import UserError
from droid_tune.events import Notice, PlanChosen, RunStarted, Step
from droid_tune.rewards.combine import RewardSet, TooManyFailures
from droid_tune.train import loop
from droid_tune.train.updating.update import update_metrics
from tests.engine.train.conftest import digest, resume, tiny, train

CONFIG = tiny(training={"iterations": 4}, checkpoint={"save_every": 50})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the run that nothing ended."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(CONFIG, folder)
    return digest(folder)


def failing(number: int, error: Exception, of: Callable[..., Any]) -> Callable[..., Any]:
    """`of`, whose call `number` raises `error`."""
    calls = 0

    def wrapped(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            raise error
        return of(*args, **options)

    return wrapped


@pytest.mark.parametrize(
    "error",
    [
        TooManyFailures("The reward `mine` failed on 8 of 8 completions"),
        UserError("The data file has changed"),
        OSError(5, "Input/output error"),
        ZeroDivisionError("nobody foresaw it"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_run_that_fails_saves_its_finished_steps_and_goes_on_exactly(
    error: Exception, whole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(RewardSet, "score", failing(3, error, RewardSet.score))
        finished, _ = train(CONFIG, tmp_path)
    assert finished.outcome == "failed"
    assert finished.why.endswith("The steps up to 2 are saved: mend it, then resume.")
    assert [one.name for one in (tmp_path / "checkpoints").iterdir()] == ["step-000002"]

    resumed, record = resume(tmp_path)
    assert resumed.outcome == "completed", resumed.why
    assert [event.step for event in record if isinstance(event, Step)] == [3, 4]
    assert digest(tmp_path) == whole


def test_what_a_failed_gpu_computed_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory")
    monkeypatch.setattr(RewardSet, "score", failing(3, error, RewardSet.score))
    finished, _ = train(CONFIG, tmp_path)
    assert finished.outcome == "failed"
    assert "are saved" not in finished.why
    assert not (tmp_path / "checkpoints").exists()


def test_an_update_that_was_broken_off_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights are then neither those before it nor those after."""
    monkeypatch.setattr(loop, "update_metrics", failing(3, ValueError("in between"), update_metrics))
    finished, _ = train(CONFIG, tmp_path)
    assert finished.outcome == "failed"
    assert not (tmp_path / "checkpoints").exists()


def test_a_disk_that_refuses_does_not_hide_why_the_run_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RewardSet, "score", failing(3, UserError("The first reason"), RewardSet.score))
    monkeypatch.setattr(
        "droid_tune.train.saving.checkpoint.CheckpointStore.save", failing(1, UserError("full"), lambda: None)
    )
    finished, _ = train(CONFIG, tmp_path)
    assert finished.why == "The first reason."


def test_a_resume_after_the_device_was_too_small_takes_smaller_portions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = RuntimeError(
        "[METAL] Command buffer execution failed: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"
    )
    config = tiny(training={"iterations": 2}, checkpoint={"save_every": 1})
    with monkeypatch.context() as patched:
        patched.setattr(RewardSet, "score", failing(2, error, RewardSet.score))
        finished, before = train(config, tmp_path)
    assert finished.why == (
        "The memory did not suffice (Insufficient Memory); close other programs, or choose the low_memory preset or a "
        "smaller model. Nothing that it computed after step 1 is kept: open Droid Tune anew and resume the run, which "
        "then goes on in smaller portions. The steps up to 1 are saved."
    )
    resumed, after = resume(tmp_path)
    assert resumed.outcome == "completed"
    sentences = [
        event.sentence for record in (before, after) for event in record if isinstance(event, PlanChosen)
    ]
    assert len(set(sentences)) > 1
    assert any(isinstance(event, Notice) and event.code == "memory_replanned" for event in after)
    assert next(event for event in after if isinstance(event, (RunStarted, PlanChosen))).type == "run_started"
    assert not (tmp_path / "smaller-portions").exists()
