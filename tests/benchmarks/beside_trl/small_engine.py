"""The engine's side: a run as a user starts it, timed from event to event.

usage: small_engine.py WORKLOAD(inline JSON) OUT.json
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[3])]

import mlx.core as mx  # noqa: E402

from droid_tune.config import merge, resolve  # noqa: E402
from droid_tune.control import Control  # noqa: E402
from droid_tune.events import Event  # noqa: E402
from droid_tune.runs.folder import create_run  # noqa: E402
from droid_tune.train.engine import run_training  # noqa: E402
from tests.benchmarks.beside_trl import small_work as W  # noqa: E402


def settings(work: dict[str, Any]) -> dict[str, Any]:
    """A run's settings that make this work and nothing besides."""
    common: dict[str, Any] = {
        "model": {"path": work["model"]},
        "data": {"path": work["data"]},
        "method": work["method"],
        "training": {"iterations": work["steps"] + work["warmup"], "batch_size": work["prompts"]},
        "optimizer": {"learning_rate": work["learning_rate"], "schedule": "constant"},
        "adapter": {"rank": 8, "scale": 2.0},
        "evaluation": {"rows": work["rows"], "steps_per_eval": 0, "at_start": False},
        "checkpoint": {"save_every": 100_000, "save_minutes": 0},
    }
    if work["kind"] == "sft":
        return common
    if "answer" not in W.rows_of(work["data"], "train")[0]:
        common["rewards"] = [{"type": "format", "pattern": W.TOLD_APART}]
    sampled = merge(common, {"sampling": {"max_completion_length": work["completion"]}})
    if work["kind"] == "grpo":
        return merge(sampled, {"method": {"group_size": W.GROUP}})
    return merge(sampled, {"evaluation": {"steps_per_eval": 1}})


class Timed:
    """Hears a run's events: a step's end, or an evaluation's behind it."""

    def __init__(self, work: dict[str, Any]) -> None:
        self.recorder, self.peak = W.Recorder(work["warmup"]), 0.0
        self._evaluates = work["kind"] == "evaluate"

    def __call__(self, event: Event) -> None:
        recorder = self.recorder
        if event.type == "run_started":
            recorder.begin()
        elif event.type == "step":
            self.peak = max(self.peak, event.metrics["memory/peak_bytes"] or 0.0)
            length = event.metrics.get("completions/mean_length")
            recorder.lengths += [] if length is None else [length]
            if not self._evaluates:
                recorder.end()
            recorder.begin()
        elif event.type == "evaluation" and self._evaluates:
            recorder.accuracy = event.metrics.get("eval/accuracy")
            recorder.end()


def main() -> None:
    work = W.load(sys.argv[1])
    config, timed = resolve(settings(work)), Timed(work)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        create_run(config, run)
        finished = run_training(config, run, Control(), timed)
    if finished.outcome != "completed":
        sys.exit(finished.why)
    found = timed.recorder.summary(peak_mb=max(timed.peak, mx.get_peak_memory()) / 2**20)
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
    print({key: value for key, value in found.items() if key != "steps"})


if __name__ == "__main__":
    main()
