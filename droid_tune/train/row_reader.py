"""From data rows to what the learners take: prompts to complete, examples to imitate, all of them short enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from droid_tune.config import RunConfig
from droid_tune.config.methods import SFTConfig
from droid_tune.data.dataset import Rows
from droid_tune.data.formats.answers import answer_text
from droid_tune.data.formats.base import Row
from droid_tune.data.templates import TemplateOptions, prompt_text, render_examples, render_prompt
from droid_tune.errors import UserError
from droid_tune.train.examples import Lesson

#: data sets up to here are looked through for rows that are too long before training begins
LOOKED_THROUGH = 200_000


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

    def __init__(self, tokenizer: Any, config: RunConfig, context_length: int | None) -> None:
        self._tokenizer = tokenizer
        self._options = TemplateOptions(config.data.system_prompt, config.data.thinking)
        self._method = config.method
        longest = config.training.max_seq_length
        self.limit = min(longest, context_length or longest)
        self.room = 0 if config.is_sft else config.sampling.max_completion_length

    def prompt(self, number: int, row: Row) -> PromptRow:
        """A row to be completed. Raises UserError when it leaves no room for an answer."""
        rendered = render_prompt(self._tokenizer, row, self._options)
        self._check(len(rendered.tokens), number)
        return PromptRow(
            number=number,
            text=prompt_text(row),
            answer=answer_text(row.get("answer")),
            tokens=rendered.tokens,
            fields=row,
            prompt_ends=rendered.ends,
        )

    def lessons(self, number: int, row: Row) -> list[Lesson]:
        """A row to be imitated: its training sequences. Raises UserError when one is too long or nothing is learnt."""
        assert isinstance(self._method, SFTConfig)
        examples = render_examples(
            self._tokenizer, row, self._options, answers_only=self._method.answer_only_loss
        )
        for example in examples:
            self._check(len(example.tokens), number)
        lessons = [Lesson(number, example.tokens, example.answer_mask) for example in examples]
        if not any(lesson.learnt for lesson in lessons):
            raise UserError(
                f"Row {number + 1} has nothing to learn", remedy="add an answer, or remove the row"
            )
        return lessons

    def _check(self, tokens: int, number: int) -> None:
        if tokens + self.room > self.limit:
            room = f" and the answer may take {self.room:,}" if self.room else ""
            raise UserError(
                f"Row {number + 1} has {tokens:,} tokens{room}, but {self.limit:,} fit",
                remedy="shorten or remove the row, or raise `max_seq_length`",
            )

    def short_enough(self, rows: Rows) -> Sequence[int] | None:
        """The numbers of the rows that fit, None where all do.

        A text has at most as many tokens as bytes, so only long ones are encoded.
        Raises UserError where no row fits.
        """
        if len(rows) > LOOKED_THROUGH:
            return None
        fitting = [number for number in range(len(rows)) if self._fits(number, rows.row(number))]
        if not fitting:
            first = self._length(rows.row(0))
            raise UserError(
                f"No row fits: the first has {first:,} tokens and {self.limit - self.room:,} are free for it",
                remedy="raise `max_seq_length`, shorten `max_completion_length`, or use shorter rows",
            )
        return None if len(fitting) == len(rows) else fitting

    def _fits(self, number: int, row: Row) -> bool:
        free = self.limit - self.room
        surely = _utf8_length(row) + len(self._options.system_prompt.encode()) + 512 <= free
        return surely or self._length(row) <= free

    def _length(self, row: Row) -> int:
        if isinstance(self._method, SFTConfig):
            return max(len(one.tokens) for one in render_examples(self._tokenizer, row, self._options))
        return len(render_prompt(self._tokenizer, row, self._options).tokens)


def _utf8_length(value: Any) -> int:
    """Bytes of all text in a row; 32 more for each turn's frame."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, dict):
        return 32 + sum(_utf8_length(item) for item in value.values())  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, (list, tuple)):
        return 32 + sum(_utf8_length(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    return 8


class Chosen(Sequence[Row]):
    """Some rows of a split, by number; `number(i)` is the row's place in the split."""

    def __init__(self, rows: Rows, numbers: Sequence[int] | None) -> None:
        self._rows = rows
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._rows) if self._numbers is None else len(self._numbers)

    @property
    def left_out(self) -> int:
        """Rows of the split that are not among these."""
        return len(self._rows) - len(self)

    def number(self, index: int) -> int:
        return index if self._numbers is None else self._numbers[index]

    def row(self, index: int) -> Row:
        return self._rows.row(self.number(index))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self.row(i) for i in range(*index.indices(len(self)))]
        return self.row(index)
