"""Which checkpoint of a run is the best: by its own held-out evaluations, as its log tells them. Imports no MLX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from droid_tune import words
from droid_tune.errors import UserError
from droid_tune.events import Evaluation, Event, RunFinished, RunStarted
from droid_tune.metrics import CATALOGUE, describe
from droid_tune.names import BEST, CHECKPOINT, LAST
from droid_tune.paths import RunPaths
from droid_tune.runs.log import read_events

#: what a run is judged by, the first that its evaluations have; which way is good says the catalogue of metrics
MEASURES = ("eval/accuracy", "eval/reward", "eval/preference_accuracy", "eval/loss")


@dataclass(frozen=True)
class Best:
    """The step with the best held-out `value` of `metric`; of equal ones the later, which has learnt for longer.

    `least` is what the value may be at least, where only so many rows were answered that it is known well enough, else None:
    a lucky count of few rows is no better than a sure one of many.
    """

    step: int
    metric: str
    value: float
    least: float | None = None

    def excels(self, other: Best) -> bool:
        """Whether it is as good as another of the same metric, or better."""
        sign = 1 if CATALOGUE[self.metric].good == "up" else -1
        if self.least is None or other.least is None:
            return sign * (self.value - other.value) >= 0
        return sign * (self.least - other.least) >= 0

    def __str__(self) -> str:
        """`held-out accuracy 92% at step 30`, to stand in a sentence."""
        label = describe(self.metric).label
        return f"{label[:1].lower()}{label[1:]} {words.metric(self.metric, self.value)} at step {self.step:,}"


def measured(step: int, metrics: Mapping[str, float | None], metric: str = "") -> Best | None:
    """An evaluation after `step` updates by `metric`, or by the first measure that it has; None where it has none."""
    for name in (metric,) if metric else MEASURES:
        if (value := metrics.get(name)) is not None:
            return Best(step, name, value, metrics.get(f"{name}/least"))
    return None


def better(best: Best | None, step: int, metrics: Mapping[str, float | None]) -> Best | None:
    """The better of what was best and an evaluation after `step` updates. Step 0 is no checkpoint, so never the best."""
    found = measured(step, metrics, best.metric if best is not None else "") if step else None
    return found if found is not None and (best is None or found.excels(best)) else best


def evaluations(events: Iterable[Event]) -> dict[int, dict[str, float | None]]:
    """The held-out metrics by step, less those that a resume took back."""
    found: dict[int, dict[str, float | None]] = {}
    for event in events:
        if isinstance(event, Evaluation):
            found[event.step] = event.metrics
        elif isinstance(event, RunStarted):
            found = {step: metrics for step, metrics in found.items() if step <= event.start_step}
    return found


def best_of(found: Mapping[int, Mapping[str, float | None]]) -> Best | None:
    """The best of the evaluations by step; None where there is none after the first update."""
    best: Best | None = None
    for step in sorted(found):
        best = better(best, step, found[step])
    return best


def best_kept(run_dir: Path, until: int | None = None) -> Best | None:
    """The best of the checkpoints that are on disk (up to step `until`); None where none of them was evaluated."""
    paths = RunPaths(run_dir)
    kept = {step for step in paths.checkpoint_folders() if until is None or step <= until}
    return best_of(
        {step: one for step, one in evaluations(read_events(paths.events)).items() if step in kept}
    )


def chosen_step(run_dir: Path, choice: str) -> int | None:
    """The step of the checkpoint that `choice` names; None for the last. Raises UserError where there is no such one."""
    if not re.fullmatch(CHECKPOINT, choice):
        raise UserError(f"`{choice}` names no checkpoint", remedy="say best, last or a step")
    if choice == LAST:
        return None
    kept = sorted(RunPaths(run_dir).checkpoint_folders())
    has = f"it has those of step {', '.join(f'{step:,}' for step in kept)}" if kept else "it has none"
    if choice == BEST:
        best = best_kept(run_dir)
        if best is None:
            raise UserError(
                f"None of the checkpoints of the run {run_dir.name} was tried on held-out rows, so none is the best ({has})",
                remedy="say last or a step",
            )
        return best.step
    if int(choice) not in kept:
        raise UserError(
            f"The run {run_dir.name} has no checkpoint of step {int(choice):,}; {has}",
            remedy="say one of these, best or last",
        )
    return int(choice)


def result_is_newest(run_dir: Path, completed: int | None, checkpoint: int | None) -> bool:
    """Whether what a run learnt last is its result, of the step `completed`; `checkpoint` is that of its newest one (None: none).

    A run that was completed, trained further and stopped has both. A result whose log does not say its step is older than
    any checkpoint.
    """
    paths = RunPaths(run_dir)
    if not (paths.adapter_weights.is_file() and paths.adapter_config.is_file()):
        return False
    return checkpoint is None or (completed is not None and checkpoint <= completed)


def completed_step(run_dir: Path) -> int | None:
    """The step at which the run was last completed, by its own log; None where it never was."""
    step: int | None = None
    for event in read_events(RunPaths(run_dir).events):
        if isinstance(event, RunFinished) and event.outcome == "completed":
            step = event.step
    return step
