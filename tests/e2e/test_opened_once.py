"""A folder of data is read through once: by the window before its first step, by `train`, by `train --dry-run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from droid_tune.cli.entry import main
from droid_tune.config import RunConfig
from droid_tune.control import UNWATCHED
from droid_tune.data import dataset as dataset_module
from droid_tune.data import validate as validate_module
from droid_tune.data.reading.opened import Opened
from tests.engine.train.conftest import tiny, train
from ui.panes.data.data_reader import Source, inspect
from ui.panes.setup.readiness.forecasting import _measured


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "mine"
    place.mkdir()
    for name, count in (("train", 20), ("valid", 4)):
        rows = [
            f'{{"prompt": "{name} {number} + 1?", "answer": "{number + 1}"}}\n' for number in range(count)
        ]
        (place / f"{name}.jsonl").write_text("".join(rows))
    return place


@pytest.fixture
def opens(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of each file of the folder that was opened to be read through."""
    seen: list[str] = []
    real = validate_module.open_regular

    def counted(path: Path) -> Any:
        # An earlier test's window may still be reading its own data in the background.
        if path.parent == folder:
            seen.append(path.name)
        return real(path)

    monkeypatch.setattr(validate_module, "open_regular", counted)
    monkeypatch.setattr(dataset_module, "_OPENED", Opened())
    return seen


ONCE = ["train.jsonl", "valid.jsonl"]


def test_the_pane_the_estimate_and_the_run_share_one(folder: Path, opens: list[str], tmp_path: Path) -> None:
    config: RunConfig = tiny(data={"path": str(folder)}, training={"iterations": 1})
    assert inspect(Source(str(folder), "grpo"), UNWATCHED).dataset is not None
    assert _measured(config) is not None
    finished, _ = train(config, tmp_path / "run")
    assert finished.outcome == "completed"
    assert opens == ONCE


def test_a_rehearsal_opens_it_once(folder: Path, opens: list[str]) -> None:
    assert main(["train", "--dry-run", "--data", str(folder)]) == 0
    assert opens == ONCE


def test_a_run_of_the_command_line_opens_it_once(folder: Path, opens: list[str], tmp_path: Path) -> None:
    settings = ["training.iterations=1", "sampling.max_completion_length=8", "evaluation.at_start=false"]
    changes = [word for one in settings for word in ("--set", one)]
    assert main(["train", "--data", str(folder), "--out", str(tmp_path / "run"), *changes]) == 0
    assert opens == ONCE
