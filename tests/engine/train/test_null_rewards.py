"""A completion that no reward judged has no reward: null wherever it is told, never 0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from droid_tune.runs.state import RunState
from tests.engine.train.conftest import tiny, train
from tests.engine.train.learning import learner_of

FAILS = "def told(completion, row):\n    raise ValueError('broke')\n"
NEVER_APPLIES = "def told(completion, row):\n    return None\n"
ALWAYS = "def told(completion, row):\n    return 1.5\n"


def reward(folder: Path, source: str, **settings: Any) -> dict[str, Any]:
    """A reward of the user's that may fail on everything."""
    file = folder / f"{len(list(folder.glob('*.py')))}.py"
    file.write_text(source)
    return {"type": "user_file", "path": str(file), "failure_share": 1.0, **settings}


def rollouts(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "rollouts.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("source", [FAILS, NEVER_APPLIES], ids=["failed", "none applied"])
def test_a_run_whose_rewards_judged_nothing_tells_null_everywhere(tmp_path: Path, source: str) -> None:
    run = tmp_path / "run"
    config = tiny(rewards=[reward(tmp_path, source)], evaluation={"rows": 2}, training={"iterations": 1})
    finished, events = train(config, run)
    assert finished.outcome == "completed", finished.why
    told = rollouts(run)
    assert {group["held_out"] for group in told} == {True, False}
    assert [one["reward"] for group in told for one in group["completions"]] == [None] * (2 * 4 + 2 * 2)
    state = RunState()
    for event in events:
        state.apply(event)
    assert not {"reward", "eval/reward"} & {name for name, curve in state.series.items() if len(curve)}


def test_a_held_out_completion_that_one_reward_judged_has_what_that_reward_gave(tmp_path: Path) -> None:
    run = tmp_path / "run"
    both = [reward(tmp_path, NEVER_APPLIES, weight=5.0), reward(tmp_path, ALWAYS, weight=2.0, name="always")]
    train(tiny(rewards=both, evaluation={"rows": 2}, training={"iterations": 1}), run)
    held_out = [group for group in rollouts(run) if group["held_out"]]
    assert [one["reward"] for group in held_out for one in group["completions"]] == [3.0] * 4


def test_the_overlong_punishment_is_no_reward_of_a_completion_that_none_judged(tmp_path: Path) -> None:
    """Otherwise a failed completion would be learnt from, with whatever its length earns."""
    learner = learner_of(
        tmp_path, method={"beta": 0.0, "overlong_cache": 5}, rewards=[reward(tmp_path, FAILS)]
    )
    with learner.session.rewards:
        gathered = learner.gather(0)
    assert np.isnan(gathered.metrics["reward"])
    assert gathered.loss == 0.0


def test_a_reward_that_fails_now_and_then_is_one_notice_with_its_share(tmp_path: Path) -> None:
    """Every second completion of three steps with 2 x 4 of them: 12 of 24."""
    source = "calls = 0\ndef told(completion, row):\n    global calls\n    calls += 1\n    return 1 / (calls % 2)\n"
    config = tiny(rewards=[reward(tmp_path, source)], evaluation={"rows": 0}, training={"iterations": 3})
    _, events = train(config, tmp_path / "run")
    state = RunState().apply_all(events)
    (told,) = [notice for notice in state.notices if notice.code == "reward_failed"]
    assert "on 12 of 24 completions (50%)" in told.text
