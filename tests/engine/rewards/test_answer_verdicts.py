"""What a run's own rewards say of answers that were just given."""

from __future__ import annotations

from droid_tune.config import RunConfig
from droid_tune.rewards.trials.answer_verdicts import GivenAnswer, verdicts_on


def given(text: str) -> GivenAnswer:
    return GivenAnswer(text, 5, "stop")


CONFIG = RunConfig.model_validate({"rewards": [{"type": "accuracy", "weight": 2.0}]})


def test_answers_to_a_row_are_right_or_wrong_with_their_rewards() -> None:
    right, wrong = verdicts_on(
        CONFIG, {"prompt": "2 + 2?", "answer": "4"}, [given("It is 4"), given("It is 5")]
    )
    assert (right.right, right.reward, right.parts) == (True, 2.0, {"accuracy": 1.0})
    assert (wrong.right, wrong.reward, wrong.parts) == (False, 0.0, {"accuracy": 0.0})
    assert wrong.why


def test_without_a_known_answer_nothing_is_called_right_or_wrong() -> None:
    (only,) = verdicts_on(CONFIG, {"prompt": "Who are you?"}, [given("A model.")])
    assert only.right is None
    assert only.reward is None


def test_a_run_without_rewards_tells_right_and_wrong_alone() -> None:
    config = RunConfig.model_validate({"method": {"type": "sft"}})
    (only,) = verdicts_on(config, {"prompt": "2 + 2?", "answer": "4"}, [given("4")])
    assert (only.right, only.reward, dict(only.parts)) == (True, None, {})
