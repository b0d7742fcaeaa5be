"""A digest over a checkpoint's folder proves a run: two equal runs, or one that was stopped, end with equal files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import merge
from tests.engine.train.conftest import TINY

InProcess = Callable[..., str]

VALUES: dict[str, Any] = merge(
    TINY,
    {
        "method": {"num_iterations": 2, "steps_per_generation": 2, "beta": 0.02, "reference_mode": "ema"},
        "training": {"iterations": 4},
        "evaluation": {"rows": 2, "steps_per_eval": 2},
        "checkpoint": {"save_every": 3, "keep": 0},
    },
)


def digests(run: Path) -> dict[str, str]:
    """Of every file of every checkpoint, and of the result."""
    files = [*(run / "checkpoints").rglob("*.*"), *run.glob("adapter*")]
    return {
        str(file.relative_to(run)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    from droid_tune.config import resolve
    from tests.engine.train.conftest import train

    run = tmp_path_factory.mktemp("whole") / "run"
    train(resolve(VALUES), run)
    return digests(run)


@pytest.mark.slow
def test_two_equal_runs_write_equal_files(
    whole: dict[str, str], in_process: InProcess, tmp_path: Path
) -> None:
    assert in_process(tmp_path / "run", VALUES) == "completed"
    found = digests(tmp_path / "run")
    assert "checkpoints/step-000003/rollout.safetensors" in found
    assert found == whole


def test_a_run_that_was_stopped_ends_with_the_files_of_one_that_was_not(
    whole: dict[str, str], in_process: InProcess, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert in_process(run, VALUES, "step", 2) == "stopped"
    assert in_process(run, VALUES) == "completed"
    assert without_step(2, digests(run)) == without_step(2, whole)


def without_step(step: int, found: dict[str, str]) -> dict[str, str]:
    """A stop saves at its own step too; the run that was not stopped keeps that one for its held-out result alone."""
    return {name: value for name, value in found.items() if f"step-{step:06d}" not in name}
