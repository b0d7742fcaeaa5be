"""What both sides of `packaging/bench --to-accuracy` are given, and what is read off their curves. Imports no trainer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DEFAULT: dict[str, Any] = {
    "model": "",  # a folder
    "data": "",  # a folder with train.jsonl and valid.jsonl of prompts and answers
    "rows": 500,  # held-out rows of an evaluation
    "every": 5,  # updates between two evaluations
    "updates": 150,  # at most
    "goal": 0.9,
    "stays": 2,  # further evaluations that must reach the goal
    "learning_rate": 3e-4,
    "seed": 0,
    # the example's own settings
    "prompts": 4,
    "group": 8,
    "completion": 32,
    "beta": 0.04,
    "rank": 8,
    "scale": 20.0,
}
#: updates done, CPU seconds of training so far, held-out accuracy
Point = tuple[int, float, float]
WEIGHTS = {"accuracy": 0.8, "format": 0.2}
FORM = r"The answer is -?\d+\.$"


def load(text: str) -> dict[str, Any]:
    given = json.loads(text)
    if strange := set(given) - set(DEFAULT):
        raise ValueError(f"unknown keys: {sorted(strange)}")
    return {**DEFAULT, **given}


def rows_of(work: dict[str, Any], name: str) -> list[dict[str, str]]:
    lines = (Path(work["data"]) / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line]


def right(text: str, answer: str) -> bool:
    """Whether the last number is the answer."""
    found = re.findall(r"-?\d+", text)
    return bool(found) and found[-1] == answer


def settled(curve: list[Point], work: dict[str, Any]) -> Point | None:
    """The first point from which on the goal is kept for `stays` further evaluations; None where there is none."""
    for place, point in enumerate(curve):
        window = curve[place : place + 1 + work["stays"]]
        if len(window) == 1 + work["stays"] and all(accuracy >= work["goal"] for *_, accuracy in window):
            return point
    return None


def is_over(curve: list[Point], work: dict[str, Any]) -> bool:
    """Whether nothing more is to be learnt of a run."""
    return settled(curve, work) is not None


def summary(curve: list[Point], work: dict[str, Any], **further: Any) -> dict[str, Any]:
    """What is kept of a run: when it reached the goal, and where it stood at the end."""
    reached = settled(curve, work)
    return {
        "cpu_to_goal": None if reached is None else reached[1],
        "updates_to_goal": None if reached is None else reached[0],
        "last_accuracy": curve[-1][2],
        "best_accuracy": max(accuracy for *_, accuracy in curve),
        "cpu": curve[-1][1],
        "curve": curve,
        **further,
    }
