"""A run whose adapter matters, and a comparison that opens models in this process: a fresh one takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.control import Watch
from droid_tune.export.checking.exam import Exam, Sitting
from droid_tune.export.checking.sitting_mlx import sit
from tests.engine.train.conftest import train

#: three updates that change what the starter says
SFT: dict[str, Any] = {
    "method": "sft",
    "training": {"iterations": 3, "batch_size": 4},
    "optimizer": {"learning_rate": 1e-2},
    "evaluation": {"rows": 0},
    "sampling": {"max_completion_length": 24},
}


@pytest.fixture(scope="session")
def learnt_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the starter; not to be changed."""
    folder = tmp_path_factory.mktemp("learnt") / "sft"
    finished, _ = train(resolve(SFT), folder)
    assert finished.outcome == "completed", finished.why
    return folder


@pytest.fixture
def opened_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """mlx-lm opens what was written in this process."""

    def sit_here(module: str, arguments: Sequence[str], exam: Exam, watch: Watch) -> Sitting:
        from mlx_lm import load

        opened: Any = load(arguments[0], adapter_path=arguments[1] or None)
        return sit(opened[0], opened[1], exam, watch)

    for name in ("adapter_folder", "fused_folder"):
        monkeypatch.setattr(f"droid_tune.export.targets.{name}.sit_in_fresh_process", sit_here)
