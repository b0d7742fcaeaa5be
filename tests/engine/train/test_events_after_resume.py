"""A run that was stopped and resumed tells what the unbroken run tells: the same events, one by one, times aside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import RunConfig
from droid_tune.control import Control
from droid_tune.events import Evaluation, Event, Notice, RolloutGroup, RunStarted, Step
from droid_tune.paths import RunPaths
from droid_tune.runs.folder import create_run
from droid_tune.runs.log import replay
from droid_tune.runs.state import RunState
from droid_tune.train.engine import resume_training
from tests.engine.train.conftest import Training, tiny

#: evaluations before, between and after the updates; a rollout that serves two updates; an answer to some rows only
CONFIG = tiny(
    training={"iterations": 4, "batch_size": 2},
    method={"type": "grpo", "group_size": 4, "steps_per_generation": 2},
    rewards=[{"type": "length", "target": 8}, {"type": "accuracy"}],
    evaluation={"rows": 2, "steps_per_eval": 2, "at_start": True},
    checkpoint={"save_every": 3},
)
SFT = tiny(
    method={"type": "sft"},
    training={"iterations": 4},
    evaluation={"rows": 2, "steps_per_eval": 1},
    rewards=[],
)
TIMES = ("step_time", "tokens_per_second")

#: (what happens, for the how manyth time) when the stop is asked for
POINTS = [
    (kind, number)
    for kind, times in {
        "rollout phase": 5,
        "reward": 3,
        "update": 5,
        "evaluate": 6,
        "save": 2,
        "step": 4,
        "evaluation": 3,
        "rollout": 6,
        "checkpoint": 2,
    }.items()
    for number in range(1, times + 1)
]
QUICK = [("evaluation", 2), ("rollout", 3)]


def told(
    config: RunConfig, folder: Path, point: tuple[str, int] | None, training: Training = resume_training
) -> None:
    """A run that is stopped at a point and then resumed to its end."""
    control, seen = Control(), [0]

    def emit(event: Event) -> None:
        name = event.type if event.type != "phase" else event.phase
        name = f"{name} phase" if event.type == "phase" and name == "rollout" else name
        if point is not None and name == point[0]:
            seen[0] += 1
            if seen[0] == point[1]:
                control.request_stop()

    create_run(config, folder)
    first = training(folder, control, emit)
    if first.outcome == "stopped":
        last = training(folder, Control(), lambda _: None)
        assert last.outcome == "completed", last.why
    else:
        assert first.outcome == "completed", first.why


def standing(folder: Path) -> list[Event]:
    """The log without what a resume took back: it was done again."""
    paths, found = RunPaths(folder), list[Any]()
    for event in replay(paths.events, paths.rollouts):
        if isinstance(event, RunStarted):
            found = [one for one in found if one.step <= event.start_step]
        elif isinstance(event, Step | Evaluation | RolloutGroup) or (
            isinstance(event, Notice) and event.step is not None
        ):
            found.append(event)
    return found


def timeless(event: Event) -> dict[str, Any]:
    """Everything that an event says but when, how fast and in how much memory."""
    values = event.model_dump(exclude={"seq", "time", "seconds", "run_id"})
    metrics = values.get("metrics", {})
    return values | {
        "metrics": {
            name: value
            for name, value in metrics.items()
            if name not in TIMES and not name.startswith(("memory/", "seconds/"))
        }
    }


def curves(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """What a window draws of a run."""
    paths = RunPaths(folder)
    state = RunState().apply_all(replay(paths.events, paths.rollouts))
    return {
        name: list(zip(series.steps, series.values, strict=True))
        for name, series in state.series.items()
        if name not in TIMES and not name.startswith(("memory/", "seconds/"))
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    told(CONFIG, folder, None)
    return folder


def test_the_unbroken_run_has_what_is_compared(whole: Path) -> None:
    kinds = [event.type for event in standing(whole)]
    assert (kinds.count("step"), kinds.count("evaluation")) == (4, 3)
    # two rollouts of two prompts, and three evaluations of two rows
    assert kinds.count("rollout") == 2 * 2 + 3 * 2


@pytest.mark.parametrize("point", QUICK, ids=lambda one: f"{one[0]} {one[1]}")
def test_a_stop_changes_no_event(
    point: tuple[str, int], training: Training, whole: Path, tmp_path: Path
) -> None:
    compare(point, whole, tmp_path / "run", training)


@pytest.mark.faults
@pytest.mark.parametrize(
    "point", [one for one in POINTS if one not in QUICK], ids=lambda one: f"{one[0]} {one[1]}"
)
def test_nor_does_it_at_any_other_point(
    point: tuple[str, int], training: Training, whole: Path, tmp_path: Path
) -> None:
    compare(point, whole, tmp_path / "run", training)


def compare(point: tuple[str, int], whole: Path, folder: Path, training: Training) -> None:
    told(CONFIG, folder, point, training)
    assert [timeless(event) for event in standing(folder)] == [timeless(event) for event in standing(whole)]
    assert curves(folder) == curves(whole)


@pytest.mark.slow
@pytest.mark.parametrize("point", [("evaluate", 3), ("evaluation", 1)], ids=lambda one: f"{one[0]} {one[1]}")
def test_nor_in_supervised_learning(point: tuple[str, int], tmp_path: Path) -> None:
    told(SFT, tmp_path / "whole", None)
    told(SFT, tmp_path / "run", point)
    broken, unbroken = ([timeless(one) for one in standing(tmp_path / name)] for name in ("run", "whole"))
    assert broken == unbroken
