"""Exact resume: a run that is stopped or killed anywhere and gone on with ends with the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import merge
from tests.engine.train.conftest import TINY, digest, resume, tiny, train

InProcess = Callable[..., str]

#: everything that has a state: dropout, accumulation, a schedule, several passes, held-out rows, a moving reference
DEMANDING: dict[str, Any] = merge(
    TINY,
    {
        "method": {"num_iterations": 2, "beta": 0.02, "reference_mode": "ema"},
        "adapter": {"dropout": 0.1, "rank": 4},
        "training": {"iterations": 4, "gradient_accumulation_steps": 3},
        "optimizer": {"schedule": "cosine", "warmup_steps": 2},
        "evaluation": {"rows": 2, "steps_per_eval": 2},
        "checkpoint": {"save_every": 2},
    },
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the run that nobody stopped."""
    from droid_tune.config import resolve

    folder = tmp_path_factory.mktemp("whole") / "run"
    finished, _ = train(resolve(DEMANDING), folder)
    assert finished.outcome == "completed"
    return digest(folder)


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("update", 5),  # amid an accumulated one; the others are looked at by the slow suite
        *(
            pytest.param(*point, marks=pytest.mark.slow)
            for point in [
                ("load", 0),
                ("rollout", 2),
                ("reward", 2),
                ("step", 1),
                ("step", 3),
                ("evaluate", 3),
                ("save", 1),
            ]
        ),
    ],
)
def test_a_run_stopped_at_any_phase_and_resumed_in_a_new_process_ends_with_the_same_bytes(
    whole: str, in_process: InProcess, tmp_path: Path, kind: str, number: int
) -> None:
    folder = tmp_path / "run"
    if number:
        assert in_process(folder, DEMANDING, kind, number) == "stopped"
        assert not (folder / "adapters.safetensors").exists()
    assert in_process(folder, DEMANDING) == "completed"
    assert digest(folder) == whole


def test_a_killed_run_loses_only_the_steps_since_its_checkpoint_and_ends_with_the_same_bytes(
    whole: str, in_process: InProcess, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    assert "exit -9" in in_process(folder, DEMANDING, "step", 3, "kill")
    finished, record = resume(folder)
    started = next(event for event in record if event.type == "run_started")
    assert started.start_step == 2  # saved every 2 steps, killed in step 3
    assert finished.outcome == "completed"
    assert digest(folder) == whole


def test_a_rollout_that_feeds_several_updates_is_kept_across_a_stop(
    in_process: InProcess, tmp_path: Path
) -> None:
    values = merge(
        TINY, {"method": {"num_iterations": 2, "steps_per_generation": 2}, "training": {"iterations": 4}}
    )
    assert in_process(tmp_path / "whole", values) == "completed"
    assert in_process(tmp_path / "cut", values, "step", 1) == "stopped"
    assert list((tmp_path / "cut" / "checkpoints").glob("*/rollout.safetensors"))
    assert in_process(tmp_path / "cut", values) == "completed"
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


@pytest.mark.slow
def test_dynamic_sampling_of_chosen_prompts_resumes_exactly(in_process: InProcess, tmp_path: Path) -> None:
    method = {"type": "dapo", "group_size": 2, "prompt_selection": "signal"}
    values = merge(TINY, {"method": method, "training": {"iterations": 3}})
    assert in_process(tmp_path / "whole", values) == "completed"
    assert in_process(tmp_path / "cut", values, "step", 2) == "stopped"
    assert in_process(tmp_path / "cut", values) == "completed"
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_supervised_runs_resume_exactly(in_process: InProcess, tmp_path: Path) -> None:
    values = {
        "method": "sft",
        "training": {"iterations": 4, "batch_size": 2},
        "adapter": {"dropout": 0.2},
        "evaluation": {"rows": 2, "steps_per_eval": 2},
    }
    assert in_process(tmp_path / "whole", values) == "completed"
    assert in_process(tmp_path / "cut", values, "step", 2) == "stopped"
    assert in_process(tmp_path / "cut", values) == "completed"
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_further_steps_go_on_past_the_planned_end(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(tiny(), folder)
    finished, record = resume(folder, further=1)
    assert (finished.outcome, finished.step) == ("completed", 3)
    assert [event.step for event in record if event.type == "step"] == [3]


def test_a_finished_run_has_nothing_to_resume(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(tiny(), folder)
    before = digest(folder)
    finished, record = resume(folder)
    assert (finished.outcome, finished.step) == ("completed", 2)
    assert not [event for event in record if event.type == "step"]
    assert digest(folder) == before


@pytest.mark.slow
def test_the_events_of_both_sessions_are_one_sequence(tmp_path: Path) -> None:
    from droid_tune.paths import RunPaths
    from droid_tune.runs.log import replay

    folder = tmp_path / "run"
    train(tiny(), folder)
    resume(folder, further=1)
    events = list(replay(RunPaths(folder).events, RunPaths(folder).rollouts))
    numbers = [event.seq for event in events]
    assert numbers == sorted(set(numbers))
    assert [event.step for event in events if event.type == "step"] == [1, 2, 3]
