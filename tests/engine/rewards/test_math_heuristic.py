"""20 % length, 30 % notation, 30 % key terms, 20 % structure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droid_tune.rewards.base import Graded, Outcome, Sample
from droid_tune.rewards.math_heuristic import judge, structure

REFERENCE = "The triangle has area 3 * 4 / 2 = 6."  # 8 words; an equation, arithmetic and a fraction


def score(completion: str, prompt: str = "", **row: str) -> Outcome:
    return judge(Sample(prompt, completion, row))


def test_the_reference_itself_lacks_only_structure() -> None:
    outcome = score(REFERENCE, answer=REFERENCE)
    # one sentence, no step, no conclusion, but an ending: 1/4 of the structure
    assert outcome == Graded(
        pytest.approx(0.2 + 0.3 + 0.3 + 0.2 * 0.25),
        {"notation": 1.0, "structure": 0.25, "terms": 1.0, "length": 1.0},
    )


def test_each_part_is_weighed_and_named() -> None:
    outcome = score("The triangle: 3 * 4 = 12.", answer=REFERENCE)
    assert isinstance(outcome, Graded)
    assert outcome.parts == {
        "length": 5 / 8,  # words: the triangle 3 4 12
        "notation": 2 / 3,  # equation and arithmetic, no fraction
        "terms": 0.5,  # triangle, not area
        "structure": 0.25,  # it ends
    }
    assert outcome.value == pytest.approx(0.2 * 5 / 8 + 0.3 * 2 / 3 + 0.3 * 0.5 + 0.2 * 0.25)


def test_a_bare_answer_takes_key_terms_from_the_prompt_and_leaves_length_out() -> None:
    outcome = score("2 + 3 = 5", prompt="How many apples?", answer="5")
    assert isinstance(outcome, Graded)
    assert outcome.parts == {"notation": 1 / 3, "structure": 0.25, "terms": 0.0}  # one formula of three
    assert outcome.value == pytest.approx((0.3 * 1 / 3 + 0.3 * 0 + 0.2 * 0.25) / 0.8)


def test_the_solution_column_is_preferred_to_the_answer() -> None:
    outcome = score(REFERENCE, solution=REFERENCE, answer="6")
    assert isinstance(outcome, Graded)
    assert outcome.parts["length"] == 1.0


def test_without_a_reference_it_does_not_apply() -> None:
    assert score("2 + 3 = 5") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0.0),
        ("so what", 0.0),
        ("so what.", 0.25),
        ("First a, then b.", 0.5),
        ("1. a is 2.\n2. b is 3.\nTherefore c is 5.", 1.0),
        ("首先算面积。所以答案是6。", 1.0),
    ],
)
def test_structure_has_four_marks(text: str, value: float) -> None:
    assert structure(text) == value


@given(st.text(), st.text(), st.text())
def test_it_stays_between_0_and_1(completion: str, prompt: str, answer: str) -> None:
    outcome = score(completion, prompt, answer=answer)
    assert outcome is None or (isinstance(outcome, Graded) and 0 <= outcome.value <= 1.000001)
