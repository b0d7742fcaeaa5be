"""A run that is killed at any turn of a step's episodes, before or behind its tools, ends with the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.train.conftest import digest

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

VALUES: dict[str, Any] = {
    "model": {"path": "tools-starter"},
    "data": {"path": "tools-sample"},
    "environment": {"type": "tools", "path": "shop", "max_turns": 3},
    "method": {"type": "grpo", "group_size": 4},
    "training": {"iterations": 2, "batch_size": 1},
    "rewards": [{"type": "accuracy"}, {"type": "length", "target": 8}],
    "sampling": {"temperature": 1.0},
    "evaluation": {"rows": 0},
    "optimizer": {"learning_rate": 1e-3},
    "checkpoint": {"save_every": 1},
}
#: kills itself when the environment is asked for, or has answered, the `number`-th turn of this process
KILLER = """
import json, os, signal, sys
from pathlib import Path
from droid_tune.config import resolve
from droid_tune.control import Control
from droid_tune.rollout.episodes.row_answers import RowAnswers
from droid_tune.runs.folder import create_run
from droid_tune.train.engine import resume_training

folder, values, point, number = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3], int(sys.argv[4])
own, seen = getattr(RowAnswers, point), 0

def counted(self, row):
    global seen
    found = own(self, row)
    seen += 1
    if seen == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

setattr(RowAnswers, point, counted)
if not (folder / "config.yaml").exists():
    create_run(resolve(values), folder)
print(resume_training(folder, Control(), lambda event: None).outcome, seen)
"""
#: the run below has as many turns and more
TURNS = range(1, 15)


def run(folder: Path, project_root: Path, point: str = "ask", number: int = 0) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(folder), json.dumps(VALUES), point, str(number)],
        env=os.environ | {"PYTHONPATH": str(project_root)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout.strip() or done.stderr[-800:]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> str:
    folder = tmp_path_factory.mktemp("whole") / "run"
    code, said = run(folder, project_root)
    assert code == 0, said
    outcome, turns = said.split()
    assert outcome == "completed"
    assert int(turns) >= TURNS[-1]
    return digest(folder)


@pytest.mark.parametrize("number", TURNS)
@pytest.mark.parametrize("point", ["ask", "came_back"])
def test_killed_at_any_turn_it_goes_on_exactly(
    point: str, number: int, tmp_path: Path, whole: str, project_root: Path
) -> None:
    folder = tmp_path / "run"
    code, said = run(folder, project_root, point, number)
    assert code == -9, said
    code, said = run(folder, project_root)
    assert (code, said.split()[0]) == (0, "completed"), said
    assert digest(folder) == whole
