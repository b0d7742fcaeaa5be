"""A race against the full grid on the starter: how near its winner comes to the grid's best, and at what share of the steps.

usage: race.py [--seeds 0 1 2] [--vary KEY=V,V,...] [--steps N] [--out build/race.json]

The grid is trained after the race: each loser goes on from where it was left, so that nothing is trained twice here either.
Needs DROID_TUNE_HOME to be a folder of its own; what was trained stays there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from droid_tune.config import resolve
from droid_tune.control import Control
from droid_tune.events import RunFinished
from droid_tune.race.course import run_race, standing_of
from droid_tune.race.ladder import ladder_of
from droid_tune.race.race_file import Race, Runner, create_race, variants
from droid_tune.runs.status import read_status
from droid_tune.train.engine import resume_training

#: the winner's held-out accuracy may be so far below the grid's best, and the race may take this share of its steps
NEAR, PRICE = 0.05, 0.45


def main(arguments: argparse.Namespace) -> int:
    """Exit 1 where one of the seeds misses the mark."""
    found = [raced(seed, arguments) for seed in arguments.seeds]
    for one in found:
        print(json.dumps(one))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    missed = [one for one in found if one["short_by"] > NEAR or one["share"] > PRICE]
    return 1 if missed else 0


def raced(seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """One race and its grid."""
    config = resolve(
        {
            "name": f"race {seed}",
            "training": {"iterations": arguments.steps, "seed": seed},
            "evaluation": {"rows": 100},
        }
    )
    ladder = ladder_of(arguments.steps, 3, config.evaluation.steps_per_eval)
    race = create_race(config, variants(config, arguments.vary), ladder)
    outcome = run_race(race, go_on)
    grid = {runner.label: finished(race, runner) for runner in race.runners}
    best = max(grid.values())
    return {
        "seed": seed,
        "winner": outcome.winner.label,
        "accuracy": grid[outcome.winner.label],
        "best": best,
        "short_by": round(best - grid[outcome.winner.label], 4),
        "share": round(outcome.steps / (len(grid) * arguments.steps), 4),
        "grid": grid,
        "rungs": {one.runner.label: one.rung + 1 for one in outcome.placed},
    }


def finished(race: Race, runner: Runner) -> float:
    """Held-out accuracy at the end of a run that is now trained to it."""
    if read_status(runner.folder).state != "completed":
        resume_training(runner.folder, Control(), lambda _event: None)
    standing = standing_of(runner.folder, 0, race.ends[-1])
    return (standing or (0.0,))[0] or 0.0


def go_on(runner: Runner, rung: int, further_steps: int) -> RunFinished:
    """A runner's next rung."""
    print(f"rung {rung + 1}: {runner.label}", file=sys.stderr)
    return resume_training(runner.folder, Control(), lambda _event: None, further_steps)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--vary", nargs="+", default=["learning_rate=1e-5,3e-5,1e-4,3e-4"])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("build") / "race.json")
    if "DROID_TUNE_HOME" not in os.environ:
        parser.error("set DROID_TUNE_HOME to an empty folder: the runs are kept there")
    sys.exit(main(parser.parse_args()))
