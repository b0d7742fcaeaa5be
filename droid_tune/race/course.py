"""Run a race: rung by rung, each run on from where it stands, the better half goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Protocol

from droid_tune.errors import Stopped, UserError
from droid_tune.events import RunFinished
from droid_tune.paths import RunPaths
from droid_tune.race.ladder import Standing, best_first
from droid_tune.race.race_file import Race, Runner
from droid_tune.runs.best import MEASURES
from droid_tune.runs.log import read_events
from droid_tune.runs.state import RunState, small_state


class RungTrainer(Protocol):
    """Trains one run of a race on from where it stands."""

    def __call__(self, runner: Runner, rung: int, further_steps: int) -> RunFinished:
        """Its last event. Raises Stopped where the race is to halt."""
        ...


@dataclass(frozen=True)
class Placed:
    """A run's end: the rung it reached (from 0), what it was worth there, and why it failed, if it did."""

    runner: Runner
    rung: int
    standing: Standing | None
    why: str = ""


@dataclass(frozen=True)
class Raced:
    """The runs from best to worst, the updates that were made in all, and the winner with those that it left behind by
    nothing but their order."""

    placed: tuple[Placed, ...]
    steps: int
    equals: tuple[Runner, ...] = ()

    @property
    def winner(self) -> Runner:
        """The best of those that ran to the end."""
        return self.placed[0].runner


def run_race(race: Race, train: RungTrainer) -> Raced:
    """Train what is not trained yet, and place the runs. Raises Stopped, and UserError where none is left, or where a disk
    or the like keeps one from its rung."""
    running: Sequence[Runner] = race.runners
    counts = race.ladder.climbing(len(running))
    out: list[Placed] = []
    rungs: list[list[Placed]] = []
    for rung, end in enumerate(race.ends):
        start = race.ends[rung - 1] if rung else 0
        placed = [_climb(race.id, runner, rung, (start, end), train) for runner in running]
        ordered = _ordered(placed)
        rungs.append(ordered)
        if ordered[0].standing is None:
            raise UserError(f"Every run of the race failed; the first: {ordered[0].why}")
        staying = counts[rung + 1] if rung + 1 < len(counts) else 0
        climbing = [one for one in ordered[:staying] if one.standing is not None]
        out = [*[one for one in ordered if one not in climbing], *out]
        running = [one.runner for one in climbing]
        if not running:
            break
    steps = sum(_saved(one.folder) for one in race.runners)
    return Raced(tuple(out), steps, _equals(out[0].runner, rungs))


def _equals(winner: Runner, rungs: Sequence[Sequence[Placed]]) -> tuple[Runner, ...]:
    """The winner, and those that stood where it stood at the end of the last rung that they both trained."""
    found = [winner]
    for place, ordered in enumerate(rungs):
        standing = next(one.standing for one in ordered if one.runner is winner)
        further = {one.runner.run for one in rungs[place + 1]} if place + 1 < len(rungs) else set[str]()
        found += [
            one.runner
            for one in ordered
            if one.standing == standing and one.runner is not winner and one.runner.run not in further
        ]
    return tuple(found)


def _climb(race: str, runner: Runner, rung: int, span: tuple[int, int], train: RungTrainer) -> Placed:
    """One run to the end of a rung, and what it is worth there; nothing is done where it was there before.

    Raises Stopped, and UserError where it failed for what its setting has no part in: the others would win by a full disk.
    """
    start, end = span
    standing = standing_of(runner.folder, start, end)
    if standing is not None:
        return Placed(runner, rung, standing)
    runner.make()
    finished = train(runner, rung, max(0, end - _saved(runner.folder)))
    if finished.outcome == "stopped" and finished.step < end:
        raise Stopped
    standing = standing_of(runner.folder, start, end)
    if standing is None and finished.outside:
        raise UserError(
            f"The race halts at {runner.label}: {finished.why}",
            remedy=f"then go on with `droid-tune race --resume {race}`",
        )
    why = finished.why if finished.outcome == "failed" else "It has no held-out rows to be judged by."
    return Placed(runner, rung, standing, "" if standing is not None else why)


def standing_of(folder: Path, start: int, end: int) -> Standing | None:
    """What a run was worth after `end` updates, by its own log; None where it was not evaluated there.

    The mean reward of the updates since `start` tells runs apart whose answers are all wrong still.
    """
    state = small_state().apply_all(read_events(RunPaths(folder).events))
    values = {name: _at(state, name, end) for name in MEASURES}
    if all(value is None for value in values.values()):
        return None
    loss, reward = values["eval/loss"], state.series.get("reward")
    earned = (
        []
        if reward is None
        else [value for step, value in zip(reward.steps, reward.values, strict=True) if start < step <= end]
    )
    return (
        values["eval/preference_accuracy"] if values["eval/accuracy"] is None else values["eval/accuracy"],
        values["eval/reward"],
        fmean(earned) if earned else None,
        None if loss is None else -loss,
    )


def _at(state: RunState, name: str, step: int) -> float | None:
    found = state.series[name].at(step) if name in state.series else None
    return found[1] if found is not None and found[0] == step else None


def _ordered(placed: Sequence[Placed]) -> list[Placed]:
    by_run = {one.runner.run: one for one in placed}
    return [by_run[run] for run in best_first({run: one.standing for run, one in by_run.items()})]


def _saved(folder: Path) -> int:
    return max(RunPaths(folder).checkpoint_folders(), default=0)
