import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droid_tune.config.rewards import Extraction
from droid_tune.rewards.answers import marks
from droid_tune.rewards.answers.choices import chosen_letters
from droid_tune.rewards.answers.equality import quick_verdict
from droid_tune.rewards.answers.extraction import answers_of, reference_of
from droid_tune.rewards.answers.languages import surely_without
from droid_tune.rewards.answers.marks import boxes, statements
from droid_tune.rewards.answers.typesetting import untypeset


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


#: how models collapse, and what a reader that looks ahead from everywhere takes the square (or more) of
WITHOUT_END = (
    *(
        "#### ",
        "####\n",
        "####\n---\n",
        "\\boxed{",
        "\\boxed{1} and ",
        "<answer>",
        "{\\bf a",
        "\\text{",
        "\\text{5} ",
    ),
    *("1,", "12,", "1", "1/2 ", "1 or ", "5 km ", "0.5 ", "one and ", "$1", "= 5 km ", "not 1 ", "1 234 "),
    *(
        "*",
        "$",
        "(",
        "\n",
        "\r\n",
        "\t ",
        "…",
        "½",
        "Ab ",
        "A, ",
        "(A) ",
        "yes. ",
        "['a', ",
        "e.g. ",
        "is wrong ",
    ),
    *(
        "the answer is ",
        "the answer would be ",
        "Answer:\n",
        "the correct option is A. ",
        "wait, no. ",
        "choose ",
    ),
    *(
        "\U0001f389",
        "Paris! ",
        "!",
        "x = 1",
        "x_1 = 2, ",
        "10-15 ",
        "0x1F ",
        "1_000",
        "\u200b",
        "rather than 1 ",
        "earlier I said ",
        "I first got 1 ",
        "May 1, ",
    ),
    *(
        "actually, it's 1",
        "1.",
        '{"a": "b" ',
        '{"a": ',
        "an hour and a half ",
        "go with A over ",
        "it must be (B) ",
        "is called ",
    ),
)


@pytest.mark.parametrize("frame", ["{}", "x{}y", "the answer{}"], ids=["alone", "between", "behind a label"])
def test_what_a_collapsed_model_says_without_end_is_read_in_time_that_grows_with_it(frame: str) -> None:
    """Four times the text takes some four times as long; the square would be sixteen times. `#### ####` ended the run, a
    label before stars or a lone `$` before digits took seconds a completion."""

    def seconds(unit: str, length: int) -> float:
        text = frame.format((unit * length)[:length])
        untypeset.cache_clear()
        before = time.process_time()
        for reference in ("5", "Paris", "x^2+1", "(B) 5"):
            for answer in answers_of(text, "auto", reference):
                quick_verdict(answer, reference)
        answers_of(text, "auto", "5", cut_off=True)
        chosen_letters(text)
        return time.process_time() - before

    spent = {unit: (seconds(unit, 400), seconds(unit, 1_600)) for unit in WITHOUT_END}
    slow = {unit: both for unit, both in spent.items() if both[1] > 9 * both[0] + 0.02}
    again = {unit: (seconds(unit, 2_000), seconds(unit, 8_000)) for unit in slow}  # a machine may stall once
    assert {unit: both for unit, both in again.items() if both[1] > 9 * both[0]} == {}


SAID = (
    "the The ANSWER answer Answer antwort ist respuesta es yanit yanıt YANIT şudur svar SVARET ſvar är er vastaus on cevap "
    "jawaban adalah réponse est 答案是 is are : = ** final result End value to would be must 12 3/4 . , ? not"
)


@given(st.lists(st.sampled_from(SAID.split()), max_size=8), st.sampled_from([" ", "", "\n"]))
def test_texts_in_english_are_searched_for_english_alone_with_the_same_finds(
    parts: list[str], gap: str
) -> None:
    text = gap.join(parts)
    found = statements(text)
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(marks, "_ENGLISH_STATEMENT", marks._STATEMENT)
        assert statements(text) == found


def test_what_is_surely_in_english() -> None:
    words = ("antwort", "yanit")
    assert surely_without("The answer is 5.", words)
    assert not surely_without("Die ANTWORT ist 5.", words)
    assert not surely_without("YANIT: 5", words)
    assert not surely_without("Der Wert für 5 ist 3", words)  # not ASCII: whatever it holds
