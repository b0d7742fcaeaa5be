"""The engine's side: Dr. GRPO by the preset `few_samples` with what else the example recommends, stopped when the goal is kept.

usage: accuracy_engine.py WORK(inline JSON) OUT.json [SETTINGS(inline JSON)]

CPU seconds are those of the updates; evaluations, the start and the end of the run are left out on both sides.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[3])]

import mlx.core as mx  # noqa: E402

from droid_tune.config import merge, resolve  # noqa: E402
from droid_tune.control import Control  # noqa: E402
from droid_tune.events import Event  # noqa: E402
from droid_tune.runs.folder import create_run  # noqa: E402
from droid_tune.train.engine import run_training  # noqa: E402
from tests.benchmarks.to_accuracy import accuracy_work as W  # noqa: E402


class Climb:
    """Adds up the updates' seconds and keeps the curve; asks for a stop at its end."""

    def __init__(self, work: dict[str, Any], control: Control) -> None:
        self.curve: list[W.Point] = []
        self._work, self._control = work, control
        self._cpu, self._since = 0.0, 0.0

    def __call__(self, event: Event) -> None:
        now = time.process_time()
        if event.type == "step":
            self._cpu += now - self._since
        elif event.type == "evaluation":
            self.curve.append((event.step, self._cpu, event.metrics.get("eval/accuracy") or 0.0))
            if W.is_over(self.curve, self._work):
                self._control.request_stop()
        if event.type in ("run_started", "step", "evaluation"):
            self._since = time.process_time()


#: which preset and method, for how long and how fast: the best of those that docs/log.md tells of
PRESET, METHOD, UPDATES, RATE = "few_samples", "dr_grpo", 24, 6e-4


def settings(work: dict[str, Any]) -> dict[str, Any]:
    """What the example recommends; how prompts are sampled and used is the preset's, and the method's own default is to have no
    KL term (Dr. GRPO, arXiv 2503.20783): `beta` of the work is the peer's."""
    return {
        "model": {"path": work["model"]},
        "data": {"path": work["data"]},
        "method": {"type": METHOD},
        "training": {"iterations": min(UPDATES, work["updates"]), "seed": work["seed"]},
        "sampling": {"max_completion_length": work["completion"]},
        "adapter": {"rank": work["rank"], "scale": work["scale"]},
        "optimizer": {"learning_rate": RATE},
        "evaluation": {"rows": work["rows"], "steps_per_eval": work["every"]},
        "checkpoint": {"save_every": 100_000, "save_minutes": 0},
        "rewards": [
            {"type": "accuracy", "weight": W.WEIGHTS["accuracy"]},
            {"type": "format", "weight": W.WEIGHTS["format"], "pattern": W.FORM},
        ],
    }


def main() -> None:
    work = W.load(sys.argv[1])
    given = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    config, control = resolve(merge(settings(work), given), preset=PRESET), Control()
    climb = Climb(work, control)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        create_run(config, run)
        finished = run_training(config, run, control, climb)
    if finished.outcome not in ("completed", "stopped"):
        sys.exit(finished.why)
    peak = mx.get_peak_memory() / 2**20
    found = W.summary(climb.curve, work, peak_mb=peak, settings=given, rate=config.optimizer.learning_rate)
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
    print({key: value for key, value in found.items() if key != "curve"})


if __name__ == "__main__":
    main()
