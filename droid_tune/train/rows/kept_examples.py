"""Rows that come again, in the next epoch or the next evaluation, are rendered once: it is a tenth of a small step."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from droid_tune.data.formats.base import Row
from droid_tune.train.rows.examples import TrainingExample

#: tokens of rendered rows that are kept for the next time (36 bytes each)
MOST_KEPT_TOKENS = 500_000


class KeptExamples:
    """Renders rows of one split, which are known by their number there; those that were asked for last are at hand."""

    def __init__(
        self, render: Callable[[int, Row], list[TrainingExample]], most_tokens: int = MOST_KEPT_TOKENS
    ) -> None:
        self._render, self._most_tokens = render, most_tokens
        self._kept: OrderedDict[int, list[TrainingExample]] = OrderedDict()
        self._tokens = 0

    def __call__(self, number: int, row: Row) -> list[TrainingExample]:
        """What `render` makes of the row. Raises what it raises, each time."""
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        examples = self._kept[number] = self._render(number, row)
        self._tokens += _tokens(examples)
        while self._tokens > self._most_tokens:
            self._tokens -= _tokens(self._kept.popitem(last=False)[1])
        return examples


def _tokens(examples: list[TrainingExample]) -> int:
    return sum(len(example.tokens) for example in examples)
