"""A night of six queued runs, killed twenty times, comes to what an undisturbed one comes to: byte by byte."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

KILLS = 20
#: when the queue is killed after its start: from some seconds on, up to a share of what the whole night takes undisturbed
LEAST_S, MOST_SHARE = 0.3, 1 / 8
SMALL = (
    "iterations=6",
    "batch_size=1",
    "max_completion_length=6",
    "steps_per_eval=2",
    "evaluation.rows=4",
    "save_every=2",
)
#: the six runs by their names: what each has of its own
NIGHT = {
    "one": ["learning_rate=1e-3"],
    "two": ["learning_rate=1e-4", "seed=1"],
    "doomed": ["seed=2"],  # its data goes away
    "four": ["method=dr_grpo"],
    "five": ["iterations=3"],
    "six": ["method=sft", "batch_size=2"],
}


class Night:
    """A queue in a home of its own."""

    def __init__(self, home: Path, root: Path) -> None:
        self.home = home
        self.environment = os.environ | {"DROID_TUNE_HOME": str(home), "PYTHONPATH": str(root)}
        data = home / "doomed"
        data.mkdir(parents=True)
        rows = data / "train.jsonl"
        rows.write_text('{"prompt": "1 + 1?", "answer": "2"}\n' * 4)
        for name, settings in NIGHT.items():
            source = ["--data", str(data)] if name == "doomed" else []
            sampled = [] if "method=sft" in settings else ["group_size=2"]
            own = [word for setting in (*SMALL, *sampled, *settings) for word in ("--set", setting)]
            self.call("queue", "add", "--name", name, *source, *own)
        rows.unlink()

    def call(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "droid_tune", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    def begin(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "droid_tune", "queue", "start", "--json"],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def table(self) -> list[dict[str, Any]]:
        """What the queue came to, without ids and times."""
        runs = json.loads(self.call("queue", "list", "--json"))["runs"]
        told = ("number", "name", "state", "step", "total_steps", "metrics")
        return [{key: run[key] for key in told} | {"result": digest(run["folder"])} for run in runs]

    def trainers(self) -> list[int]:
        """The processes that hold a run's lock, by what they wrote into it."""
        found = [file.read_text().strip() for file in self.home.glob("runs/*/lock")]
        return [int(text) for text in found if text.isdecimal()]


def digest(folder: str | None) -> str:
    file = Path(folder or "nowhere") / "adapters.safetensors"
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""


def killed(process: subprocess.Popen[bytes], night: Night, dice: random.Random, most: float) -> bool:
    """Kill the queue at a random time, half of the times with the run that it trains; False where it had ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(dice.uniform(LEAST_S, most))
        return False
    trainers = night.trainers() if dice.random() < 0.5 else []
    process.kill()
    process.wait()
    for trainer in trainers:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            if b"droid_tune" in Path(f"/proc/{trainer}/cmdline").read_bytes():
                os.kill(trainer, signal.SIGKILL)
    return True


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_six_queued_runs_survive_twenty_kills_with_the_same_table(tmp_path: Path, project_root: Path) -> None:
    undisturbed = Night(tmp_path / "undisturbed", project_root)
    begun = time.monotonic()
    undisturbed.begin().wait()
    most = (time.monotonic() - begun) * MOST_SHARE
    wanted = undisturbed.table()
    assert [run["state"] for run in wanted].count("completed") == 5
    assert wanted[2]["state"] == "failed"

    night, dice, kills = Night(tmp_path / "night", project_root), random.Random(14), 0
    while kills < KILLS:
        process = night.begin()
        if not killed(process, night, dice, most):
            break
        kills += 1
    begun = time.monotonic()
    night.begin().wait()
    assert night.table() == wanted
    print(f"{kills} kills within {most:.1f} s each; the last start took {time.monotonic() - begun:.0f} s")
    assert kills == KILLS, "the night ended before its last kill: shorten the times between them"
