import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droid_tune.config.rewards import Extraction
from droid_tune.rewards.answers.equality import quick_verdict
from droid_tune.rewards.answers.extraction import answers_of, reference_of
from droid_tune.rewards.answers.marks import boxes


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("12 + 30 = 42, so #### 42", "42"),
        ("#### 41\nno, wait\n#### 42", "42"),
        ("so it is \\boxed{42}", "42"),
        ("first \\boxed{1}, at last \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("7 or 8? <answer>8</answer>", "8"),
        ("<ANSWER> \\boxed{8} </ANSWER>", "8"),
        ("There are 3 boxes of 14, which makes 42.", "42"),
        ("I cannot say", None),
        ("", None),
    ],
)
def test_auto_finds_where_a_number_was_given(completion: str, answer: str | None) -> None:
    assert answer_of(completion, "auto", reference="42") == answer


def test_auto_takes_the_whole_text_where_the_reference_is_one() -> None:
    assert answers_of(" Paris, 75001 ", "auto", "Paris") == ["Paris, 75001"]


@pytest.mark.parametrize(
    ("extraction", "answer"),
    [
        ("hash", "1"),
        ("boxed", "2"),
        ("answer_tag", "3"),
        ("last_number", "4"),
        ("whole", "#### 1\n\\boxed{2} <answer>3</answer> 4"),
    ],
)
def test_each_place_can_be_asked_for_alone(extraction: Extraction, answer: str) -> None:
    text = "#### 1\n\\boxed{2} <answer>3</answer> 4"
    assert answer_of(text, extraction, reference="9") == answer


@pytest.mark.parametrize("extraction", ["hash", "boxed", "answer_tag"])
def test_the_right_number_in_the_wrong_place_is_no_answer(extraction: Extraction) -> None:
    assert answer_of("it is 42", extraction, reference="42") is None


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("Natalia sold 48/2 = <<48/2=24>>24 clips.\n#### 72", "72"),  # GSM8K
        ("so \\boxed{3}", "3"),
        (" Paris ", "Paris"),
    ],
)
def test_a_row_may_mark_its_own_answer(answer: str, reference: str) -> None:
    assert reference_of(answer, "auto") == reference


def test_the_last_number_of_a_worked_reference_is_taken_when_asked_for() -> None:
    assert reference_of("3 times 4 makes 12 apples", "last_number") == "12"


def test_a_box_that_never_closes_is_none() -> None:
    assert list(boxes("\\boxed{1 + {2}")) == []


def answer_of(completion: str, extraction: Extraction, reference: str) -> str | None:
    return next(iter(answers_of(completion, extraction, reference)), None)


@given(st.text(alphabet="#\\boxed{} <think>/answr12,.\n"))
def test_no_completion_breaks_the_extraction(completion: str) -> None:
    for extraction in ("auto", "hash", "boxed", "answer_tag", "last_number", "whole"):
        for reference in ("1", "A", "x"):
            found = answers_of(completion, extraction, reference)
            assert all(isinstance(one, str) and one for one in found) or extraction == "whole"


@pytest.mark.parametrize(
    "text",
    [
        "#### " * 4000,
        "\\boxed{" * 3000,
        "1," * 5000,
        "1" * 10_000,
        "*" * 10_000,
        "$" * 10_000,
        "5" + " " * 9000 + "6",
    ],
    ids=lambda text: text[:7],
)
def test_what_a_collapsed_model_says_without_end_is_read_in_time(text: str) -> None:
    """`#### ####` ended the run (it was read one inside the other), `1,1,1,` took seconds a completion, growing as its square."""
    before = time.process_time()
    for answer in answers_of(text, "auto", "5"):
        assert not quick_verdict(answer, "5")
    assert time.process_time() - before < 5
