"""Text and number are compared here, mathematics in a child process: that works from any thread."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from droid_tune.config.rewards import AccuracyReward
from droid_tune.rewards.accuracy import Accuracy
from droid_tune.rewards.answers.mathematics import Mathematician
from droid_tune.rewards.base import Failed, Outcome, Sample, number_of


@pytest.fixture(scope="module")
def accuracy() -> Iterator[Accuracy]:
    reward = Accuracy(AccuracyReward())
    yield reward
    reward.close()


def score(reward: Accuracy, completion: str, answer: object) -> Outcome:
    outcome = reward.score([Sample("", completion, {"answer": answer})])[0]
    return outcome if isinstance(outcome, Failed) else number_of(outcome)


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("48 + 24 = 72. The answer is 72.", "72"),
        ("The answer is 1,234.", 1234),
        ("#### 72", "Natalia sold 24 clips.\n#### 72"),
        ("PARIS.", "Paris"),
        ("<think>x</think>\n\n**Paris**", "paris"),
    ],
)
def test_equal_texts_and_numbers_need_no_mathematics(completion: str, answer: object) -> None:
    reward = Accuracy(AccuracyReward(math=False))
    assert score(reward, completion, answer) == 1.0


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("72, or perhaps 73", "72"),  # the last number counts
        ("the answer is 7.2", "72"),
        ("Lyon", "Paris"),
        ("", "72"),
        ("<think>72", "72"),
    ],
)
def test_a_wrong_answer_is_0(completion: str, answer: object) -> None:
    assert score(Accuracy(AccuracyReward(math=False)), completion, answer) == 0.0


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("y+x", "x+y"),
        ("\\frac{1}{2}", "0.5"),
        ("\\dfrac{\\sqrt{2}}{2}", "1/\\sqrt{2}"),
        ("x^2+2x+1", "(x+1)^2"),
        ("48+24=72", "72"),
        ("72\\text{ clips}", "72"),
        ("\\{2,1\\}", "\\{1,2\\}"),
    ],
)
def test_mathematically_equal_answers_are_right(accuracy: Accuracy, answer: str, reference: str) -> None:
    assert score(accuracy, f"so \\boxed{{{answer}}}", reference) == 1.0


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("2x", "x"),
        ("x^2", "x"),
        ("(1,2)", "(2,1)"),
        ("x<5", "x>5"),
        ("72 or 73", "72"),
        ("\\frac{1}{", "1/2"),
    ],
)
def test_different_expressions_are_wrong(accuracy: Accuracy, answer: str, reference: str) -> None:
    assert score(accuracy, f"so #### {answer}", reference) == 0.0


def test_it_works_away_from_the_main_thread(accuracy: Accuracy) -> None:
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(score, accuracy, "\\boxed{b+a}", "a+b").result() == 1.0


def test_an_expression_that_never_ends_is_wrong_and_the_next_one_is_judged() -> None:
    mathematician = Mathematician(seconds=2.0)
    try:
        assert mathematician.equal([("9^{9^{9^{9^{9}}}}+x", "7x"), ("b+a", "a+b")]) == [0.0, 1.0]
    finally:
        mathematician.close()


def test_a_row_without_an_answer_is_not_applicable() -> None:
    assert Accuracy(AccuracyReward()).score([Sample("", "5", {}), Sample("", "5", {"answer": ""})]) == [
        None,
        None,
    ]


def test_an_answer_that_is_no_text_is_a_failure_and_not_a_0() -> None:
    (outcome,) = Accuracy(AccuracyReward()).score([Sample("", "5", {"answer": {"value": 5}})])
    assert outcome == Failed("the row's `answer` is dict, not text or a number")
