"""Runs beside one another: only what differs is told, and what is the same is said to be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from droid_tune.config import dump_yaml
from droid_tune.events import Completion, Event, RolloutGroup
from droid_tune.report.comparing import (
    compared_code,
    compared_data,
    compared_settings,
    read_compared,
    shared_answers,
)
from tests.ui.recording import config, started, write_run


def answered(step: int, *rewards: float) -> Iterator[Event]:
    """Held-out answers to `prompt 0`, `prompt 1` ..."""
    for row, reward in enumerate(rewards):
        said = Completion(text=f"said {reward:g}", reward=reward, length=2, finish_reason="stop")
        yield RolloutGroup(
            step=step,
            group=row,
            row=row,
            prompt=f"prompt {row}",
            answer="A",
            completions=[said],
            held_out=True,
        )


def a_run(folder: Path, *rewards: float, code: str = "", digest: str = "a" * 64, **values: object) -> Path:
    write_run(folder, iter([started(6), *answered(0, 0.5, 0.5), *answered(6, *rewards)]), steps=6)
    (folder / "config.yaml").write_text(dump_yaml(config(6, **values)))
    data = {"path": "/data/train.jsonl", "size": 2_000, "modified_ns": 1, "sha256": digest}
    (folder / "identity.json").write_text(json.dumps({"data": [data]}))
    if code:
        (folder / "rewards").mkdir()
        (folder / "rewards" / "mine.py").write_text(code)
    return folder


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    one = a_run(tmp_path / "one", 1.0, 0.0, code="a = 1\nb = 2\n", optimizer={"learning_rate": 1e-4})
    other = a_run(
        tmp_path / "other",
        *(1.0, 1.0, 0.0),
        code="a = 1\nb = 3\n",
        digest="b" * 64,
        optimizer={"learning_rate": 3e-4},
        method={"type": "dr_grpo"},
    )
    return one, other


def test_only_the_settings_that_differ_are_told(two: tuple[Path, Path]) -> None:
    found = {line.name: line.values for line in compared_settings([*map(read_compared, two)])}
    assert found["Optimizer, Learning rate"] == ("1e-4", "3e-4")
    assert found["Method"] == ("GRPO", "Dr. GRPO")
    assert "Training, Steps" not in found
    assert compared_settings([read_compared(two[0])] * 2) == []


def test_data_is_compared_by_its_digest_and_its_rows(two: tuple[Path, Path]) -> None:
    found = {line.name: line for line in compared_data([*map(read_compared, two)])}
    assert found["Rows to train on"].values == ("400", "400")
    assert found["train.jsonl"].values == ("aaaaaaaaaaaa · 2 KB", "bbbbbbbbbbbb · 2 KB")
    assert found["train.jsonl"].differs
    assert not found["Data"].differs


def test_reward_code_is_compared_line_by_line(two: tuple[Path, Path]) -> None:
    first, other = map(read_compared, two)
    (found,) = compared_code([first, other])
    assert (found.reward, found.run) == ("mine", 1)
    assert found.lines == ("@@ -1,2 +1,2 @@", " a = 1", "-b = 2", "+b = 3")
    assert compared_code([first, first])[0].lines == ()


def test_prompts_are_shared_that_all_answered_with_their_newest_answers(two: tuple[Path, Path]) -> None:
    found = shared_answers([*map(read_compared, two)])
    assert [(one.prompt, one.replies) for one in found] == [
        ("prompt 1", (("said 0", 0.0), ("said 1", 1.0))),  # where they differ comes first
        ("prompt 0", (("said 1", 1.0), ("said 1", 1.0))),
    ]


def rows_of(folder: Path, *rows: tuple[str, str, float]) -> Path:
    """A run whose held-out rows have these prompts, answers and rewards."""
    said = [
        RolloutGroup(
            step=6,
            group=place,
            row=place,
            prompt=prompt,
            answer=answer,
            completions=[Completion(text=answer, reward=reward, length=1, finish_reason="stop")],
            held_out=True,
        )
        for place, (prompt, answer, reward) in enumerate(rows)
    ]
    write_run(folder, iter([started(6), *said]), steps=6)
    (folder / "config.yaml").write_text(dump_yaml(config(6)))
    return folder


def test_rows_of_the_same_prompt_are_told_apart_by_their_answers(tmp_path: Path) -> None:
    one = rows_of(tmp_path / "one", ("Is it?", "yes", 1.0), ("Is it?", "no", 0.0), ("Why?", "so", 1.0))
    other = rows_of(tmp_path / "other", ("Why?", "thus", 0.0), ("Is it?", "no", 1.0), ("Is it?", "yes", 1.0))
    found = shared_answers([read_compared(one), read_compared(other)])
    assert [(told.prompt, told.answer, [reward for _, reward in told.replies]) for told in found] == [
        ("Is it?", "no", [0.0, 1.0]),
        ("Is it?", "yes", [1.0, 1.0]),  # "Why?" wants two things, and is no row of both
    ]


def test_a_row_that_stands_twice_is_compared_twice(tmp_path: Path) -> None:
    twice = [("Is it?", "yes", 1.0), ("Is it?", "yes", 0.0)]
    one, other = rows_of(tmp_path / "one", *twice), rows_of(tmp_path / "other", *twice, *twice)
    found = shared_answers([read_compared(one), read_compared(other)])
    assert [[reward for _, reward in told.replies] for told in found] == [[1.0, 1.0], [0.0, 0.0]]


def test_a_run_of_an_older_version_has_less_to_compare(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "old", iter([started(6)]), steps=6)
    (folder / "identity.json").write_text("[]")
    found = read_compared(folder)
    assert (found.files, found.rewards, found.answers) == ((), {}, {})
    assert shared_answers([found, found]) == []
    assert compared_code([found, found]) == []
