"""The work that both sides of `packaging/bench --trl` do, and how either is timed.

A workload is a JSON object: see DEFAULT. Both sides take `WORKLOAD OUT.json` and write `Recorder.summary`. Nothing here
imports MLX, PyTorch or the engine. Not for Windows.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

DEFAULT: dict[str, Any] = {
    "kind": "grpo",  # or sft, evaluate (greedy answers to held-out rows)
    "method": {"type": "grpo"},  # as in a run's settings
    "model": "",  # a folder
    "data": "",  # a folder with train.jsonl and valid.jsonl: prompt with answer, or with completion
    "prompts": 4,  # prompts of a step, or rows of a supervised one
    "completion": 32,  # tokens at most
    "rows": 0,  # held-out rows of an evaluation
    "learning_rate": 3e-4,
    "steps": 12,
    "warmup": 3,
}
#: completions a prompt
GROUP = 8
#: what the only reward looks for where rows have no answers
TOLD_APART = "e.{0,7}$"


def load(text: str) -> dict[str, Any]:
    given = json.loads(text)
    if strange := set(given) - set(DEFAULT):
        raise ValueError(f"unknown workload keys: {sorted(strange)}")
    return {**DEFAULT, **given}


def rows_of(folder: str, name: str) -> list[dict[str, str]]:
    lines = (Path(folder) / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line]


@dataclass
class Recorder:
    """Seconds and completions of each step, from mark to mark."""

    warmup: int
    cpu: list[float] = field(default_factory=list[float])
    wall: list[float] = field(default_factory=list[float])
    lengths: list[float] = field(default_factory=list[float])
    accuracy: float | None = None
    _children: list[psutil.Process] = field(default_factory=list[psutil.Process])
    _since: tuple[float, float] = (0.0, 0.0)

    def begin(self) -> None:
        """A step begins here; looking for children, which takes milliseconds, is no part of it."""
        self._children = psutil.Process().children(recursive=True)
        self._since = self._spent(), time.perf_counter()

    def _spent(self) -> float:
        """Seconds of processor time of this process and of its children, those that live included."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = time.process_time() + ended.ru_utime + ended.ru_stime
        for child in self._children:
            with suppress(psutil.Error):
                times = child.cpu_times()
                found += times.user + times.system
        return found

    def end(self) -> None:
        """The step that began last is over."""
        self.cpu.append(self._spent() - self._since[0])
        self.wall.append(time.perf_counter() - self._since[1])

    def summary(self, **further: Any) -> dict[str, Any]:
        """Medians of the steps behind the warm-up; `rss_max_mb` is the most that the process held."""
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return {
            "step_cpu": statistics.median(self.cpu[self.warmup :]),
            "step_wall": statistics.median(self.wall[self.warmup :]),
            "steps": self.cpu,
            "rss_max_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
            "mean_length": statistics.mean(self.lengths) if self.lengths else None,
            "accuracy": self.accuracy,
            **further,
        }
