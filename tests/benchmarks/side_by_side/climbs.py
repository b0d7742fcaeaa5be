"""Runs that go on until an accuracy is kept, the sides in turn, and the table of what that took."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.side_by_side.rounds import ENGINE

#: tried for a peer, of which its best counts; ours says which it took
RATES = (1e-4, 3e-4, 1e-3)


@dataclass(frozen=True)
class Climbs:
    """Tasks (name and folder of rows) that sides (name and command) climb from `model`, at most `updates` each."""

    tasks: dict[str, Path]
    sides: dict[str, list[str]]
    model: Path
    updates: int
    rates: Sequence[float] = RATES

    def work(self, task: str, rate: float, seed: int) -> dict[str, Any]:
        return {
            "model": str(self.model),
            "data": str(self.tasks[task]),
            "learning_rate": rate,
            "seed": seed,
            "updates": self.updates,
        }

    def attempts(self, seeds: int) -> Iterator[tuple[str, int, str, float]]:
        """Task, seed, side and rate of every run, in their order."""
        for task in self.tasks:
            for seed in range(seeds):
                for side in self.sides:
                    for rate in self.rates[:1] if side == ENGINE else self.rates:
                        yield task, seed, side, rate


def climbed(climbs: Climbs, seeds: int, environment: dict[str, str], out: Path, machine: str) -> None:
    """Run them all; each is printed and written as soon as it is over, and the table at the end."""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for task, seed, side, rate in climbs.attempts(seeds):
            file = Path(folder) / "out.json"
            command = [*climbs.sides[side], json.dumps(climbs.work(task, rate, seed)), str(file)]
            run = subprocess.run(
                command, env=environment, cwd=folder, capture_output=True, text=True, check=False
            )
            if run.returncode:
                sys.exit(f"bench: {side} failed on {task}:\n{run.stderr[-2000:]}")
            found.append(
                {"task": task, "seed": seed, "side": side, "rate": rate, **json.loads(file.read_text())}
            )
            print({key: value for key, value in found[-1].items() if key != "curve"}, flush=True)
            out.write_text(
                json.dumps({"machine": machine, "results": found}, indent=2) + "\n", encoding="utf-8"
            )
    print("\n".join(table(found)))


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each task and side, a peer at its best rate: the one that reaches the goal soonest, or comes nearest."""
    yield f"{'task':10} {'side':16} {'rate':>8} {'seeds':>6} {'reached':>8} {'CPU s':>8} {'best':>7} {'end':>7}"
    for task in dict.fromkeys(one["task"] for one in found):
        ended: dict[str, dict[int, float]] = {}
        for side in dict.fromkeys(one["side"] for one in found):
            runs = [one for one in found if one["task"] == task and one["side"] == side]
            by_rate = [[one for one in runs if one["rate"] == rate] for rate in {one["rate"] for one in runs}]
            best = min(by_rate, key=lambda some: (_seconds(some), -statistics.mean(_accuracies(some))))
            reached = sum(one["cpu_to_goal"] is not None for one in best)
            yield (
                f"{task:10} {side:16} {best[0]['rate']:8.0e} {len(best):6} {reached:8} {_seconds(best):8.1f} "
                f"{statistics.median(_accuracies(best)):7.1%} {statistics.median(_ends(best)):7.1%}"
            )
            ended[side] = {one["seed"]: one["last_accuracy"] for one in best}
        for side in ended.keys() - {ENGINE}:
            yield f"{task:10} {paired(ended.get(ENGINE, {}), ended[side])} of {side}'s, seed by seed"


def paired(ours: dict[int, float], theirs: dict[int, float]) -> str:
    """How far ours end from theirs, each with the other's seed: the mean difference in points and its standard error."""
    points = [100 * (ours[seed] - theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]
    if len(points) < 2:
        return "ours cannot be set against the end"
    error = statistics.stdev(points) / len(points) ** 0.5
    return f"ours end {statistics.mean(points):+.1f} points (standard error {error:.1f}, {len(points)} seeds)"


def _seconds(runs: list[dict[str, Any]]) -> float:
    """The median of seconds to the goal; infinite where most runs did not reach it."""
    return statistics.median(
        float("inf") if one["cpu_to_goal"] is None else one["cpu_to_goal"] for one in runs
    )


def _accuracies(runs: list[dict[str, Any]]) -> list[float]:
    return [one["best_accuracy"] for one in runs]


def _ends(runs: list[dict[str, Any]]) -> list[float]:
    return [one["last_accuracy"] for one in runs]
