"""Values that grow and are forgotten."""

from __future__ import annotations

from droid_tune.runs.series import Series


def series(*values: float) -> Series:
    made = Series()
    for step, value in enumerate(values, start=1):
        made.append(step, value)
    return made


def test_it_grows() -> None:
    made = series(5, 6, 7, 8, 9)
    assert made.steps.tolist() == [1, 2, 3, 4, 5]
    assert made.values.tolist() == [5, 6, 7, 8, 9]
    assert made.last == 9


def test_an_empty_one_has_no_last_value() -> None:
    assert Series().last is None
    assert Series().at(3) is None


def test_truncate_keeps_the_step_it_names() -> None:
    made = series(5, 6, 7)
    made.truncate(2)
    assert made.values.tolist() == [5, 6]


def test_a_step_told_again_replaces_it_and_what_came_after() -> None:
    made = series(5, 6, 7)
    made.append(2, 60)
    assert made.steps.tolist() == [1, 2]
    assert made.values.tolist() == [5, 60]


def test_the_nearest_point_answers_a_hover() -> None:
    made = series(5, 6, 7)
    assert made.at(1.4) == (1, 5)
    assert made.at(1.6) == (2, 6)
    assert made.at(99) == (3, 7)
