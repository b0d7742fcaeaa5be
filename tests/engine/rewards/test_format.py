import pytest

from droid_tune.config.rewards import FormatReward
from droid_tune.rewards.base import Failed, Graded, Sample
from droid_tune.rewards.format import format_reward


def score(completion: str, **settings: object) -> object:
    found = format_reward(FormatReward.model_validate(settings)).score([Sample("", completion)])[0]
    return found.value if isinstance(found, Graded) else found


@pytest.mark.parametrize(
    ("completion", "value"),
    [
        ("<think>a\nb</think>\n<answer>4</answer>\n", 1.0),
        ("a</think><answer>4</answer>", 1.0),  # the template opened <think>
        ("<think>a</think>4", 0.0),
        ("<think>a</think><answer>4</answer> and more", 0.0),
        ("<think>a</think><answer>4</answer><answer>5</answer>", 0.0),
        ("<think>a<think>b</think><answer>4</answer>", 0.0),
        ("<think>a</think><answer> \n</answer>", 0.0),
        ("<think>a</think><answer>\u200b</answer>", 0.0),  # a space of no width
        ("<think>a</think><answer> \ufeff\u2060\u00ad \u200d</answer>", 0.0),
        ("<think>a</think><answer>\u3164\u2800\u034f\ufe0f</answer>", 0.0),  # what is drawn as nothing
        ("<think>a</think><answer>\u00a0\u3000\x00</answer>", 0.0),
        ("<think>a</think><answer>\u200b4</answer>", 1.0),
        ("<think>a</think><answer>می\u200cخواهم</answer>", 1.0),
        ("", 0.0),
    ],
)
def test_without_a_pattern_thoughts_and_answer_are_wanted(completion: str, value: float) -> None:
    assert score(completion) == value


def test_a_pattern_is_searched_for_and_the_dot_crosses_lines() -> None:
    assert score("step 1\nThe answer is 4.", pattern=r"The answer is -?\d+\.$") == 1.0
    assert score("a\nb", pattern="a.b") == 1.0
    assert score("The answer is four.", pattern=r"The answer is -?\d+\.$") == 0.0


def test_the_whole_completion_can_be_asked_to_match() -> None:
    assert score("so 4", pattern=r"\d", full_match=True) == 0.0
    assert score("4", pattern=r"\d", full_match=True) == 1.0


def test_a_pattern_that_takes_for_ever_fails_its_completion_and_not_the_run() -> None:
    outcome = score("a" * 60 + "!", pattern=r"^(a|aa|a?)+$")
    assert isinstance(outcome, Failed)
    assert "took longer than" in outcome.message
