"""From data rows to what the learners take: prompts to complete, examples to imitate, all of them short enough."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from droid_tune.config import RunConfig
from droid_tune.config.recipes.methods import SFTConfig
from droid_tune.config.recipes.preference_methods import PreferenceConfig, RewardModelConfig
from droid_tune.control import Watch
from droid_tune.data.dataset import Dataset, Rows
from droid_tune.data.formats.base import Row
from droid_tune.data.formats.parts.answers import answer_text
from droid_tune.data.lens import Lens, require_known, room_of
from droid_tune.data.rendering.judged import is_good
from droid_tune.data.rendering.looking_through import Findings, findings_of
from droid_tune.data.rendering.reworded import reworded
from droid_tune.data.templates import TemplateOptions, prompt_text, render_examples, render_prompt
from droid_tune.errors import UserError
from droid_tune.estimate.job import DataLengths
from droid_tune.estimate.lengths import lengths_in
from droid_tune.names import Split
from droid_tune.train.learners.pairs.judged_rows import JudgedUnit
from droid_tune.train.rows.examples import TrainingExample

T = TypeVar("T")


@dataclass(frozen=True)
class PromptRow:
    """A data row ready to be completed: its number in the split, its text and answer for people, its tokens.

    `prompt_ends` is how the rendered prompt ends: rewards see by it whether a thought is open.
    """

    number: int
    text: str
    answer: str | None
    tokens: list[int]
    fields: Row
    prompt_ends: str = ""


class RowReader:
    """Renders rows with a tokenizer under a run's settings."""

    def __init__(
        self,
        tokenizer: Any,
        config: RunConfig,
        context_length: int | None,
        known_tokens: int | None = None,
        tools: Sequence[dict[str, Any]] = (),
    ) -> None:
        self._tokenizer = tokenizer
        self.options = TemplateOptions.of(config.data, tools)
        self._method = config.method
        lens = Lens.of(config, tokenizer, context_length, known_tokens)
        self.lens = replace(lens, options=self.options)
        self.room = room_of(config)
        longest = config.training.max_seq_length
        self.limit = min(longest, context_length or longest)

    def prompt(self, number: int, row: Row) -> PromptRow:
        """A row to be completed. Raises UserError when it leaves no room for an answer."""
        rendered = render_prompt(self._tokenizer, row, self.options)
        self._check(rendered.tokens, number)
        return PromptRow(
            number=number,
            text=prompt_text(row),
            answer=answer_text(row.get("answer")),
            tokens=rendered.tokens,
            fields=row,
            prompt_ends=rendered.ends,
        )

    def reworded(self, row: PromptRow, text: str) -> list[int] | None:
        """The tokens of a row whose question is put as `text`; None where they leave no room for an answer."""
        try:
            found = render_prompt(self._tokenizer, reworded(row.fields, text), self.options).tokens
        except UserError:
            return None
        return found if len(found) + self.room <= self.limit else None

    def examples(self, number: int, row: Row) -> list[TrainingExample]:
        """A row to be imitated: its training sequences. Raises UserError when one is too long or nothing is learnt."""
        whole = isinstance(self._method, SFTConfig) and not self._method.answer_only_loss
        rendered = render_examples(self._tokenizer, row, self.options, answers_only=not whole)
        for example in rendered:
            self._check(example.tokens, number)
        examples = [TrainingExample(number, example.tokens, example.answer_mask) for example in rendered]
        if not any(example.learnt for example in examples):
            raise UserError(
                f"Row {number + 1} has nothing to learn", remedy="add an answer, or remove the row"
            )
        return examples

    def judged(self, number: int, row: Row) -> list[JudgedUnit]:
        """A row whose answers are judged: a pair, or each answer that has a verdict. Raises UserError where one answer
        cannot be used."""
        method = self._method
        assert isinstance(method, PreferenceConfig)
        named = self.lens.answers_of(row)
        answers = {
            name: TrainingExample(number, example.tokens, example.answer_mask)
            for name, example in named.items()
        }
        for one in answers.values():
            self._check(one.tokens, number)
        if method.answers > 1:
            return [JudgedUnit((number, 0), tuple(answers.values()), margin=self._margin(number, row))]
        return [
            JudgedUnit((number, place), (one,), is_good(name))
            for place, (name, one) in enumerate(answers.items())
        ]

    def _margin(self, number: int, row: Row) -> float:
        """How much better the chosen answer is said to be. Raises UserError for what is no number."""
        name = self._method.margin_field if isinstance(self._method, RewardModelConfig) else ""
        said = row.get(name) if name else None
        if said is None or said == "":
            return 0.0
        try:  # tables without types hold text
            margin = math.nan if isinstance(said, bool) else float(said)
        except (TypeError, ValueError):
            margin = math.nan
        if not math.isfinite(margin):
            raise UserError(
                f"Row {number + 1} has `{name}` {said!r}, which is not a number",
                remedy="correct it, or name another column in `margin_field`",
            )
        return margin

    def _check(self, rendered: Sequence[int], number: int) -> None:
        require_known(rendered, self.lens.known)
        tokens = len(rendered)
        if tokens + self.room > self.limit:
            room = f" and the answer may take {self.room:,}" if self.room else ""
            raise UserError(
                f"Row {number + 1} has {tokens:,} tokens{room}, but {self.limit:,} fit",
                remedy="shorten or remove the row, or raise `max_seq_length`",
            )

    def look_through(self, dataset: Dataset, split: Split, rows: Rows, watch: Watch) -> Chosen:
        """The rows of a split that can be used. Raises UserError where there is none, and `Stopped`."""
        found = findings_of(dataset, split, rows, self.lens, self._method.type, watch)
        if found is not None and len(rows) and found.usable is not None and not found.usable:
            raise self._none_usable(found)
        return Chosen(rows, found.usable if found else None, found)

    def lengths(self, train: Chosen, held_out_rows: int) -> DataLengths | None:
        """Token lengths of a run's rows: the longest of all where all were looked through."""
        if train.found is None:
            return lengths_in(train.rows, held_out_rows, self.lens)
        return lengths_in(train, held_out_rows, self.lens, train.found.longest)

    def _none_usable(self, found: Findings) -> UserError:
        if found.refused:
            number, why = found.refused[0]
            return UserError(f"No row can be used; row {number + 1}: {why}")
        return UserError(
            f"No row fits: the first has {found.too_long[0][1]:,} tokens and {self.limit - self.room:,} are free "
            "for it",
            remedy="raise `max_seq_length`, shorten `max_completion_length`, or use shorter rows",
        )


def readable(rows: Chosen, places: Iterable[int], render: Callable[[int, Row], T]) -> list[T]:
    """Some of the rows, rendered; those that cannot be are left out (of data that is too large to look through)."""
    found: list[T] = []
    for place in places:
        row = rows.row(place)
        with suppress(UserError):
            found.append(render(rows.number(place), row))
    return found


class Chosen(Sequence[Row]):
    """Some rows of a split, by number; `number(i)` is the row's place in the split. `found`: what looking through
    all of them found, None where they were not looked through."""

    def __init__(self, rows: Rows, numbers: Sequence[int] | None, found: Findings | None = None) -> None:
        self.rows = rows
        self._numbers = numbers
        self.found = found

    def __len__(self) -> int:
        return len(self.rows) if self._numbers is None else len(self._numbers)

    def place(self, number: int) -> str:
        """Where a row of the split stands, by its number there: `train.jsonl:17`."""
        return self.rows.place(number)

    @property
    def left_out(self) -> int:
        """Rows of the split that are not among these."""
        return len(self.rows) - len(self)

    def number(self, index: int) -> int:
        """The row's number in the data, of the `index`-th chosen."""
        return index if self._numbers is None else self._numbers[index]

    def index_of(self, number: int) -> int:
        """Which of the chosen has that number in the data; the inverse of `number`."""
        return number if self._numbers is None else bisect_left(self._numbers, number)

    def at(self, number: int) -> Row:
        """The split's row of that number, chosen or not."""
        return self.rows.row(number)

    def row(self, index: int) -> Row:
        """The `index`-th chosen row."""
        return self.rows.row(self.number(index))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self.row(i) for i in range(*index.indices(len(self)))]
        return self.row(index)
