from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droid_tune.rewards.answers.numbers import as_quantity, last_number, same_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("So 48/2 = 24", "24"),
        ("12.", "12"),
        ("first 3, then 4, at last 7 apples", "7"),
        ("that is 1,234 apples", "1,234"),
        ("1,2,3", "3"),
        ("x = -3", "-3"),
        ("5-3", "3"),
        ("5 - 3", "3"),
        ("the answer is −7.", "-7"),  # a true minus sign
        ("three quarters, 3/4", "3/4"),
        ("$1,234.50", "$1,234.50"),
        ("共12个", "12"),
        ("1{,}234", "1,234"),
        ("use x_2 and H2O and v1.2.3", None),
        ("no number", None),
    ],
)
def test_the_last_number_is_read_as_it_is_written(text: str, number: str | None) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1,234", "1234"),
        ("1234", "1234.0"),
        ("$1,234.00", "1234"),
        ("72 clips", "72"),
        ("72 clips.", "72"),
        ("50%", "50"),
        ("50%", "0.5"),
        ("1/2", "0.5"),
        ("½", "0.5"),
        ("-7", "−7"),
        ("5 km", "5 kilometers"),
        ("5 km", "5"),
        ("$12", "12 dollars"),
        ("0.3333333333", "1/3"),
        ("**42**", "42"),
        ("1e3", "1000"),
        ("007", "7"),
    ],
)
def test_one_number_in_two_spellings(left: str, right: str) -> None:
    assert same(left, right)
    assert same(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("7", "-7"),
        ("12", "1.2"),
        ("0.33", "1/3"),
        ("123456789", "123456788"),
        ("5 km", "5 m"),
        ("5 minutes", "5 hours"),
        ("1,234", "1.234"),
        ("50%", "5"),
    ],
)
def test_different_numbers_are_not_the_same(left: str, right: str) -> None:
    assert not same(left, right)


@pytest.mark.parametrize(
    "text",
    [
        "x^2",
        "2x",
        "3 and 4",
        "48+24=72",
        "1-2",
        "(1,2)",
        "10/0",
        "seven or eight",
        "Seven Samurai",
        "",
        "2*3",
        "5!5",
    ],
)
def test_what_is_more_than_one_number_is_no_quantity(text: str) -> None:
    assert as_quantity(text) is None


@given(st.integers(-(10**40), 10**40))
def test_every_whole_number_is_read_back_exactly(number: int) -> None:
    for written in (str(number), f"{number:,}", f"{number}.0", f" {number} "):
        quantity = as_quantity(written)
        assert quantity is not None
        assert quantity.value == number


@given(st.fractions(max_denominator=10**6))
def test_every_fraction_is_read_back_exactly(number: Fraction) -> None:
    quantity = as_quantity(f"{number.numerator}/{number.denominator}")
    assert quantity is not None
    assert quantity.value == number


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    last_number(text)
    as_quantity(text)


def same(left: str, right: str) -> bool:
    one, other = as_quantity(left), as_quantity(right)
    assert one is not None
    assert other is not None
    return same_quantity(one, other)
