"""The parts of reading an answer: typesetting, units, letters, expressions, and why a completion got what it got."""

import signal
import time
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droid_tune.config.rewards import AccuracyReward
from droid_tune.rewards.accuracy import Accuracy
from droid_tune.rewards.answers.choices import chosen_letters, wanted_letters
from droid_tune.rewards.answers.equality import quick_verdict
from droid_tune.rewards.answers.expressions import as_latex
from droid_tune.rewards.answers.typesetting import untypeset
from droid_tune.rewards.answers.units import read_unit
from droid_tune.rewards.base import Graded, RewardError, Sample, reference_texts
from droid_tune.rewards.workers import mathematics_worker


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\\text{Evelyn}", "Evelyn"),
        ("\\textbf{\\text{(A)}}", "(A)"),
        ("5:30\\text{ PM}", "5:30 PM"),
        ("72\\text{clips}", "72 clips"),
        ("x²", "x^{2}"),
        ("10⁻³", "10^{-3}"),
        ("1½", "1 1/2"),
        ("0.\\overline{3}", "\\frac{1}{3}"),
        ("0.1(6)", "\\frac{1}{6}"),
        ("0.1\\dot{2}3\\dot{4}", "\\frac{137}{1110}"),  # (1234 - 1) / 9990
        ("1.25...", "1.25..."),  # nothing says what repeats
        ("90^{\\circ}", "90°"),
        ("\\left(1,2\\right)", "(1,2)"),
    ],
)
def test_typesetting_is_taken_off(text: str, plain: str) -> None:
    assert untypeset(text) == plain


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("km", Fraction(1000)),
        ("km/h", Fraction(5, 18)),
        ("miles per hour", Fraction(1397, 3125)),  # 1609.344 / 3600
        ("square feet", Fraction(145161, 1562500)),  # 0.3048^2
        ("m/s^2", Fraction(1)),
        ("mW", None),
        ("apples", None),
        ("x", None),
    ],
)
def test_units_are_read_with_their_size(text: str, factor: Fraction | None) -> None:
    unit = read_unit(text)
    assert (None if unit is None else unit.factor) == factor


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("pi/2", "\\pi /2"),
        ("x**10", "x^{10}"),
        ("sqrt(x+1)/2", "\\sqrt{x+1}/2"),
        ("exp(-x)", "e^{-x}"),
        ("x^(n+1)", "x^{n+1}"),
        ("{1, 2}", "\\{1, 2\\}"),
        ("x = 1 or x = 2", "x = 1,x = 2"),
        ("sin(30°)", "\\sin ((\\frac{30\\pi}{180}))"),
    ],
)
def test_plain_text_becomes_latex(text: str, latex: str) -> None:
    assert " ".join(as_latex(text).split()) == latex


def test_a_reference_wants_letters_only_where_it_is_a_choice() -> None:
    assert wanted_letters("(c)") == {"C"}
    assert wanted_letters("B) 12") == {"B"}
    assert wanted_letters("A, C") == {"A", "C"}
    assert wanted_letters("x") is wanted_letters("e") is wanted_letters("BAD") is None


def test_naming_several_choices_decides_for_none() -> None:
    assert chosen_letters("A or B") is None
    assert chosen_letters("A. red\nB. green\nC. blue") is None
    assert chosen_letters("A. red\nB. green\nC. blue\n\nThe answer is B.") == {"B"}


@pytest.mark.parametrize(
    ("answer", "row_answer", "why"),
    [
        ("The answer is 17.", "7", "answer read: 17, expected 7"),
        ("The answer is 7.", "7", "answer read: 7"),
        ("I do not know.", "7", "no answer found, expected 7"),
        ("<think>7", "7", "thoughts never ended"),
        ("The answer is (B).", "A", "answer read: B, expected A"),
        ("blue", ["red", "green"], "answer read: blue, expected red or green"),
    ],
)
def test_accuracy_says_why(answer: str, row_answer: Any, why: str) -> None:
    (outcome,) = Accuracy(AccuracyReward(math=False)).score([Sample("", answer, {"answer": row_answer})])
    assert isinstance(outcome, Graded)
    assert outcome.why == why


def test_a_list_of_answers_holds_right_ones_each() -> None:
    assert reference_texts({"answer": ["a", 2, True, None]}) == ["a", "2", "true"]
    assert reference_texts({"answer": '["a", "b"]'}) == ["a", "b"]
    assert reference_texts({"answer": "[1, 2]"}) == ["[1, 2]"]
    assert reference_texts({"answer": []}) == reference_texts({}) == []
    with pytest.raises(RewardError, match="dict"):
        reference_texts({"answer": [{}]})


def test_the_worker_sets_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """math-verify's own time-outs are alarms: they would fail in any thread but the main one."""

    def refuse(*_: object) -> None:
        raise AssertionError("an alarm was set")

    monkeypatch.setattr(signal, "alarm", refuse)
    monkeypatch.setattr(signal, "signal", refuse)
    assert mathematics_worker.equal("b+a", "a+b")
    assert not mathematics_worker.equal("b-a", "a-b")


def test_a_comparison_has_the_processors_time_not_the_clocks() -> None:
    """Else a right answer would be wrong on a busy machine, and a resumed run another run."""
    with mathematics_worker.processor_time(0.05):
        time.sleep(0.15)
    with pytest.raises(mathematics_worker.OutOfTimeError), mathematics_worker.processor_time(0.05):
        sum(iter(lambda: 1, 2))  # never ends


@given(st.text(), st.text())
def test_no_pair_of_texts_breaks_the_comparison(left: str, right: str) -> None:
    quick_verdict(left, right)
    assert quick_verdict(left, left) is not False or not left.strip()


@given(st.text(alphabet="ABC()*. \norangewsi,:\\boxed{}#"))
def test_no_text_breaks_the_reading_of_letters(text: str) -> None:
    chosen_letters(text)
    wanted_letters(text)
