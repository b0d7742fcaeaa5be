"""Held-out rows are answered greedily: the same every time, whatever the seed, the temperature and the filters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from droid_tune.bounds import deviations_of, wilson
from droid_tune.config.sampling import SamplingConfig
from droid_tune.events import RolloutGroup
from droid_tune.rollout.generate import generate
from droid_tune.train.learners.policy_gradient import PolicyGradient
from tests.engine.train.learning import learner_of

ROWS = 6
EVALUATED: dict[str, Any] = {
    "evaluation": {"rows": ROWS},
    "sampling": {"max_completion_length": 20, "temperature": 1.7, "top_p": 0.8},
    "rewards": [{"type": "accuracy", "weight": 2.0}, {"type": "format", "pattern": "[0-9]"}],
}


def greedy_texts(learner: PolicyGradient) -> list[str]:
    session = learner.session
    prompts = [session.reader.prompt(i, session.valid.row(i)).tokens for i in range(ROWS)]
    sampling = SamplingConfig(temperature=0, max_completion_length=20)
    found = generate(session.policy, prompts, group_size=1, sampling=sampling, seed=99, plan=session.plan)
    return found.texts


def test_the_accuracy_is_the_share_of_greedy_answers_that_are_right(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, **EVALUATED)
    session = learner.session
    answers = [str(session.valid.row(i)["answer"]) for i in range(ROWS)]
    texts = greedy_texts(learner)
    right = [text.rstrip(".").split()[-1:] == [answer] for text, answer in zip(texts, answers, strict=True)]
    digits = [any(letter.isdigit() for letter in text) for text in texts]
    evaluated = learner.evaluate(0)
    assert evaluated is not None
    assert evaluated.rows == ROWS
    assert evaluated.metrics["eval/accuracy"] == pytest.approx(sum(right) / ROWS)
    assert evaluated.metrics["eval/rewards/format/mean"] == pytest.approx(sum(digits) / ROWS)
    assert evaluated.metrics["eval/reward"] == pytest.approx((2 * sum(right) + sum(digits)) / ROWS)


def test_the_seed_changes_no_evaluation_and_an_evaluation_changes_no_state(tmp_path: Path) -> None:
    one = learner_of(tmp_path, **EVALUATED, training={"seed": 1})
    two = learner_of(tmp_path, **EVALUATED, training={"seed": 1, "batch_size": 4})
    first, second = one.evaluate(0), two.evaluate(7)
    assert first is not None
    assert second is not None
    assert first.metrics == second.metrics
    assert one.explorer.rollouts == 0
    assert one.session.batches.state()["drawn"] == 0


def test_without_held_out_rows_there_is_no_evaluation(tmp_path: Path) -> None:
    assert learner_of(tmp_path, evaluation={"rows": 0}).evaluate(0) is None


def test_held_out_prompts_are_read_once_and_kept_where_they_are_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = learner_of(tmp_path, **EVALUATED).session
    read = type(session.reader).prompt
    places: list[int] = []

    def counted(reader: Any, number: int, row: Any) -> Any:
        places.append(number)
        return read(reader, number, row)

    monkeypatch.setattr(type(session.reader), "prompt", counted)
    first = session.held_out_prompts(3)
    assert session.held_out_prompts(3) == first
    assert places == [0, 1, 2]
    assert session.held_out_prompts(4)[:3] == first
    monkeypatch.setattr("droid_tune.train.training_session.MOST_KEPT_TOKENS", 1)
    assert session.held_out_prompts(2) == session.held_out_prompts(2) == first[:2]
    assert places == [0, 1, 2, 0, 1, 2, 3, 0, 1, 0, 1]


SURE: dict[str, Any] = {**EVALUATED, "evaluation": {"rows": 16, "known_to": 0.28}}


def test_rows_are_answered_until_the_accuracy_is_known_well_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("droid_tune.bounds.FIRST_LOOK", 2)
    learner = learner_of(tmp_path, **SURE)
    session, told = learner.session, list[RolloutGroup]()
    session.emit = lambda event: told.append(event) if isinstance(event, RolloutGroup) else None
    found = learner.evaluate(0)
    assert found is not None
    # Of 4 looks the bounds of 0 in 4 are 0 to 0.61, those of 1 in 8 are 0.01 to 0.56.
    assert found.rows == 8
    right = found.metrics["eval/accuracy"]
    assert right in (0, 1 / 8)
    assert right == np.mean([group.completions[0].rewards["accuracy"] for group in told])
    bounds = found.metrics["eval/accuracy/least"], found.metrics["eval/accuracy/most"]
    assert bounds == wilson(right, 8, deviations_of(4))
    assert found.metrics["eval/rewards/format/mean"] == np.mean(
        [group.completions[0].rewards["format"] for group in told]
    )
    rows = [group.row for group in told]
    assert len(set(rows)) == 8
    assert rows[0] != min(rows, key=lambda row: row or 0)  # not in the file's order
    told.clear()
    learner.evaluate(5)
    assert [group.row for group in told] == rows


def test_the_rows_of_an_accuracy_are_those_that_were_judged(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, **{**EVALUATED, "evaluation": {"rows": 16}})
    for row in learner.session.held_out_prompts(16)[:6]:
        row.fields.pop("answer")
    found = learner.evaluate(0)
    assert found is not None
    assert found.rows == 10  # the bounds of its report are those of ten rows


def test_a_row_that_accuracy_judged_counts_though_another_reward_failed_on_it(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("calls = iter(range(99))\ndef reward(completion):\n    return 1 / (next(calls) % 3)\n")
    rewards = [{"type": "accuracy"}, {"type": "user_file", "path": str(mine)}]
    learner = learner_of(tmp_path / "run", **{**EVALUATED, "rewards": rewards})
    with learner.session.rewards as judges:
        found = learner.evaluate(0)
        name = judges.names[1]
    assert found is not None
    assert found.rows == ROWS  # `mine` failed on two of six
    assert found.metrics[f"eval/rewards/{name}/mean"] == pytest.approx(0.75)  # 1, 1/2, 1, 1/2
    alone = learner_of(tmp_path / "alone", **{**EVALUATED, "rewards": rewards[:1]}).evaluate(0)
    assert alone is not None
    assert found.metrics["eval/accuracy"] == alone.metrics["eval/accuracy"]
    assert found.metrics["eval/rewards/accuracy/mean"] == alone.metrics["eval/rewards/accuracy/mean"]


def test_rows_without_a_right_answer_are_all_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("droid_tune.bounds.FIRST_LOOK", 2)
    learner = learner_of(tmp_path, **SURE)
    for row in learner.session.held_out_prompts(16):
        row.fields.pop("answer")
    found = learner.evaluate(0)
    assert found is not None
    assert found.rows == 16
    assert not [name for name in found.metrics if name.startswith("eval/accuracy")]
