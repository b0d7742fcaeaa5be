"""Tasks of Reasoning Gym as an environment: rows, levels, and the tasks' own scorers."""

from __future__ import annotations

import importlib.util
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.environments.episode import EpisodeError, Seeds, Turn
from droid_tune.environments.of_reasoning_gym import OfReasoningGym
from droid_tune.environments.table import open_environment
from droid_tune.errors import UserError
from tests.engine.environments.own_files import PLAIN, said

INSTALLED = importlib.util.find_spec("reasoning_gym") is not None
needs_gym = pytest.mark.skipif(not INSTALLED, reason="the package reasoning-gym is not installed")


@contextmanager
def gym(**settings: Any) -> Generator[OfReasoningGym]:
    config = resolve({"environment": {"type": "reasoning_gym", "timeout_seconds": 60, **settings}})
    environment = open_environment(config, template=PLAIN)
    assert isinstance(environment, OfReasoningGym)
    try:
        yield environment
    finally:
        environment.close()


@needs_gym
def test_answers_are_judged_by_the_scorer_of_their_task() -> None:
    with gym(tasks={"chain_sum": {"max_terms": 3}, "graph_color": {}}, rows=2) as environment:
        rows = environment.own_rows("train", 10)
        assert [one["metadata"]["source_dataset"] for one in rows] == ["chain_sum", "graph_color"] * 2
        environment.check_rows(rows)
        episode = environment.open(rows[0], Seeds(0, 0, 0)).result()
        assert episode.opening == (Turn("user", rows[0]["prompt"]),)
        right = said(
            episode, f"<think>\nhm <answer>0</answer>\n</think>\n<answer> {rows[0]['answer']} </answer>"
        )
        assert (right.ending, right.episode_reward) == ("answered", 1.0)
        assert said(environment.open(rows[0], Seeds(0, 0, 0)).result(), "no idea").episode_reward == 0.0
        plain = said(environment.open(rows[0], Seeds(0, 0, 0)).result(), rows[0]["answer"])
        assert plain.episode_reward == 1.0
        coloured = said(environment.open(rows[1], Seeds(0, 0, 0)).result(), "<answer>x</answer>")
        assert (coloured.ending, coloured.episode_reward) == (
            "answered",
            0.0,
        )  # no answer of its own, yet judged


@needs_gym
def test_rows_come_level_by_level_and_from_their_seed() -> None:
    with gym(tasks={"chain_sum": {}}, rows=3, levels=2) as environment:
        rows = environment.own_rows("train", 10, seed=5)
        assert [one["level"] for one in rows] == [0, 0, 0, 1, 1, 1]
        assert environment.own_rows("train", 10, seed=5) == rows
        assert environment.own_rows("valid", 10, seed=5) != rows


@needs_gym
@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({"chain_sums": {}}, "Reasoning Gym has no task `chain_sums`; choose from ab, "),
        ({"chain_sum": {"terms": 3}}, "Reasoning Gym refuses the tasks: TypeError"),
    ],
)
def test_a_wrong_task_is_refused(tasks: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught, gym(tasks=tasks):
        pass
    assert message in str(caught.value)


@needs_gym
def test_data_of_no_task_are_refused() -> None:
    with gym(tasks={"chain_sum": {}}) as environment:
        with pytest.raises(
            UserError, match="needs the column `metadata` with `source_dataset`, which no row has"
        ):
            environment.check_rows([{"prompt": "x", "answer": "y"}])
        with pytest.raises(EpisodeError):
            environment.open({"prompt": "x"}, Seeds(0, 0, 0)).result()


@pytest.mark.skipif(INSTALLED, reason="the package reasoning-gym is installed")
def test_without_the_package_its_name_is_told() -> None:
    with (
        pytest.raises(UserError, match="The package `reasoning-gym` is not installed; install it with"),
        gym(),
    ):
        pass


@needs_gym
@pytest.mark.slow
@pytest.mark.parametrize(
    "task",
    ["chain_sum", "countdown", "mini_sudoku", "graph_color", "propositional_logic", "number_sorting"],
)
def test_tasks_as_the_library_ships_them_are_played_offline(task: str) -> None:
    with gym(tasks={task: {}}, rows=2) as environment:
        row = environment.own_rows("train", 2)[0]
        answer = said(environment.open(row, Seeds(0, 0, 0)).result(), f"<answer>{row['answer']}</answer>")
        assert (answer.ending, answer.failed) == ("answered", "")
        assert answer.episode_reward == (0.0 if row["answer"] is None else 1.0)
