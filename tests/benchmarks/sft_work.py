"""The supervised work that both sides of the benchmark do: the same rows in the same batches, timed alike.

A workload is a JSON object: see DEFAULT. Both runners take `WORKLOAD OUT.json [OPTIONS]` and write `summary`.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parents[2] / "shared" / "bench")]

import make_model  # noqa: E402
import workload  # noqa: E402

DEFAULT: dict[str, Any] = {
    "size": "s",
    "vocab": 8192,
    "dtype": "float32",
    "qbits": 0,
    "batch_size": 4,
    "batches": 4,  # of one epoch; a first epoch warms up and is not counted
    "epochs": 1,
    "prompt": 64,  # tokens of a prompt, or [fewest, most]
    "answer": 64,
    "answers_only": True,
    "by_length": True,  # batches of rows of like length, as mlx-lm makes them; else as they come
    "checkpoint": False,  # the peer's gradient checkpointing, our backward layer by layer
    "lora_rank": 8,
    "lora_scale": 2.0,
    "lr": 1e-4,
    "seed": 0,
}

Row = tuple[list[int], int]


def load(text: str) -> dict[str, Any]:
    return {**DEFAULT, **given(text, set(DEFAULT))}


def given(text: str, known: set[str]) -> dict[str, Any]:
    """A workload from a file or as it stands. Raises ValueError for keys that there are not."""
    values = json.loads(Path(text).read_text(encoding="utf-8") if text.endswith(".json") else text)
    if unknown := set(values) - known:
        raise ValueError(f"unknown workload keys: {unknown}")
    return values


def model_path(work: dict[str, Any]) -> str:
    """The random model of this size, made where it is not there."""
    return make_model.make(workload.load({key: work[key] for key in ("size", "vocab", "dtype", "qbits")}))


def batches(work: dict[str, Any]) -> list[list[Row]]:
    """The rows of one epoch in their batches: tokens and how many of them are only read."""
    draw = random.Random(work["seed"] + 17)

    def length(value: Any) -> int:
        return draw.randint(*value) if isinstance(value, list) else value

    def row() -> Row:
        prompt, answer = length(work["prompt"]), length(work["answer"])
        tokens = [draw.randrange(300, min(work["vocab"], 8000)) for _ in range(prompt + answer)]
        return tokens, prompt if work["answers_only"] else 1

    rows = [row() for _ in range(work["batch_size"] * work["batches"])]
    if work["by_length"]:
        rows.sort(key=lambda one: len(one[0]))
    cut = [rows[at : at + work["batch_size"]] for at in range(0, len(rows), work["batch_size"])]
    draw.shuffle(cut)
    return cut


class Recorder:
    """Seconds of each update and the peak over all that count; `mark` is called between two updates."""

    def __init__(self, mx: Any, work: dict[str, Any]) -> None:
        self._mx, self._warm = mx, work["batches"]
        self._marks: list[tuple[float, float]] = []
        self._peak = 0

    def mark(self) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        self._peak = max(self._peak, self._mx.get_peak_memory() if len(self._marks) > self._warm else 0)
        self._mx.reset_peak_memory()
        self._marks.append((time.perf_counter(), used.ru_utime + used.ru_stime))

    def warm_cpu(self) -> float:
        """Processor seconds of an update of the first epoch."""
        return (self._marks[self._warm][1] - self._marks[0][1]) / self._warm

    def summary(self, **more: Any) -> dict[str, Any]:
        """Means over the counted epochs: updates of mixed lengths differ among themselves."""
        (first_wall, first_cpu), (last_wall, last_cpu) = self._marks[self._warm], self._marks[-1]
        steps = len(self._marks) - 1 - self._warm
        return {
            "step_wall": (last_wall - first_wall) / steps,
            "step_cpu": (last_cpu - first_cpu) / steps,
            "peak_mb": self._peak / 2**20,
            "active_mb": self._mx.get_active_memory() / 2**20,
            "rss_max_mb": workload.rss_max_mb(),
            **more,
        }
