"""A row that comes again is not rendered again, as long as there is room to keep it."""

from __future__ import annotations

import pytest

from droid_tune.data.formats.base import Row
from droid_tune.errors import UserError
from droid_tune.train.rows.examples import TrainingExample
from droid_tune.train.rows.kept_examples import KeptExamples


class Renderer:
    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, number: int, row: Row) -> list[TrainingExample]:
        self.asked.append(number)
        if not row:
            raise UserError("nothing to learn")
        return [TrainingExample(number, [number] * 10, [True] * 10)]


def test_a_row_is_rendered_once() -> None:
    render = Renderer()
    kept = KeptExamples(render)
    for _ in range(3):
        assert [kept(number, {"text": "a"})[0].tokens[0] for number in (3, 5)] == [3, 5]
    assert render.asked == [3, 5]


def test_what_was_not_asked_for_longest_makes_room() -> None:
    render = Renderer()
    kept = KeptExamples(render, most_tokens=20)
    for number in (1, 2, 1, 3, 1, 2):
        kept(number, {"text": "a"})
    assert render.asked == [1, 2, 3, 2]


def test_a_row_larger_than_the_room_is_given_all_the_same() -> None:
    kept = KeptExamples(render := Renderer(), most_tokens=5)
    assert [len(kept(1, {"text": "a"})[0].tokens) for _ in range(2)] == [10, 10]
    assert render.asked == [1, 1]


def test_a_row_that_cannot_be_rendered_is_refused_each_time() -> None:
    kept = KeptExamples(Renderer())
    for _ in range(2):
        with pytest.raises(UserError, match="nothing to learn"):
            kept(1, {})
