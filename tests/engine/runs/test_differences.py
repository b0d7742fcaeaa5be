"""Runs by what makes them different."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from droid_tune.config import resolve
from droid_tune.runs.folder import RunSummary, run_name
from droid_tune.runs.origin.differences import differences


def run(key: str, created: float = 1.0, **values: Any) -> RunSummary:
    config = resolve(values)
    settings = config.model_dump(mode="json")
    return RunSummary(
        key,
        run_name(config),
        Path(key),
        "stopped",
        1,
        9,
        "grpo",
        "starter",
        "sample",
        created,
        1.0,
        settings=settings,
    )


def test_a_name_of_its_own_stays() -> None:
    assert differences([run("a"), run("b", name="mine")]) == {"a": "", "b": ""}


def test_the_settings_that_differ_are_named() -> None:
    slow = run("a", optimizer={"learning_rate": 1e-5}, training={"iterations": 60})
    fast = run("b", optimizer={"learning_rate": 3e-4}, training={"iterations": 60})
    names = differences([slow, fast])
    assert names == {
        "a": "Learning rate 1e-5",
        "b": "Learning rate 3e-4",
    }


def test_what_people_look_for_comes_first_and_two_are_enough() -> None:
    one = run("a", data={"path": "/x/easy"}, training={"iterations": 10, "seed": 1}, method={"beta": 0.0})
    two = run("b", data={"path": "/y/hard"}, training={"iterations": 20, "seed": 2}, method={"beta": 0.1})
    assert differences([one, two]) == {
        "a": "Data easy, KL penalty 0",
        "b": "Data hard, KL penalty 0.1",
    }


def test_runs_that_are_alike_are_told_apart_by_their_time() -> None:
    names = differences([run("a", 86_400.0), run("b", 10 * 86_400.0)])
    assert len(set(names.values())) == 2
