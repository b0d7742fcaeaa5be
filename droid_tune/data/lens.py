"""How long rows are in a model's own tokens: rendered as a run renders them, for all who ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from droid_tune.config import RunConfig
from droid_tune.config.recipes.methods import METHOD_CONFIGS, SFTConfig
from droid_tune.config.recipes.preference_methods import PreferenceConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.formats.base import Row
from droid_tune.data.rendering.judged import judged_rows, render_judged
from droid_tune.data.rendering.shapes import DEFAULT, Example, Note, TemplateOptions
from droid_tune.data.templates import prompt_text, render_examples, render_prompt, turns_of
from droid_tune.errors import UserError

#: rows measured, spread evenly over a split (0.6 ms of CPU a short chat, 2026-11-29)
MEASURED_ROWS = 400


@dataclass(frozen=True)
class SequenceLength:
    """Tokens of one sequence: `read` before the first that is learnt, `learnt` from there on (0 of a prompt)."""

    read: int
    learnt: int = 0

    @staticmethod
    def of(example: Example) -> SequenceLength:
        """Of a sequence to imitate."""
        return SequenceLength(example.start, len(example.tokens) - example.start)

    @property
    def tokens(self) -> int:
        """All of it."""
        return self.read + self.learnt


@dataclass(frozen=True)
class RowLength:
    """The sequences that a row is rendered to, one or more, and what was read otherwise than it stands."""

    sequences: tuple[SequenceLength, ...]
    notes: tuple[Note, ...] = ()

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return max(one.tokens for one in self.sequences)


@dataclass(frozen=True)
class Longest:
    """The longest among many sequences, each number by itself: of what is read, of what is learnt, and of the whole."""

    read: int = 0
    learnt: int = 0
    tokens: int = 0

    def beside(self, row: RowLength) -> Longest:
        """With the sequences of one row more."""
        return Longest(
            max(self.read, *(one.read for one in row.sequences)),
            max(self.learnt, *(one.learnt for one in row.sequences)),
            max(self.tokens, row.longest),
        )


@dataclass(frozen=True)
class Lens:
    """How rows are looked at: `imitated` as examples to learn, else as prompts to answer.

    `judged` counts the answers of a row that are compared (1: each is judged by itself), 0 where none are; `cut`: what is
    longer than `limit` is cut off, not left out.
    """

    tokenizer: Any
    options: TemplateOptions = DEFAULT
    imitated: bool = False
    answers_only: bool = True
    judged: int = 0
    cut: bool = False
    #: tokens that a sequence may have; None: any number
    limit: int | None = None
    #: rows of the model's embedding; None: not known
    known: int | None = None

    @classmethod
    def of(
        cls, config: RunConfig, tokenizer: Any, context: int | None = None, known: int | None = None
    ) -> Self:
        """As a run looks at its rows: `limit` is what its longest sequence, and the model's `context` where that is
        known, leave beside the longest completion."""
        longest, method = config.training.max_seq_length, config.method
        return cls(
            tokenizer,
            TemplateOptions.of(config.data),
            imitated=not config.samples,
            answers_only=method.answer_only_loss if isinstance(method, SFTConfig) else True,
            judged=method.answers if isinstance(method, PreferenceConfig) else 0,
            cut=isinstance(method, PreferenceConfig) and method.too_long == "cut_end",
            limit=min(longest, context or longest) - room_of(config),
            known=known,
        )

    @classmethod
    def for_method(cls, method: str | None, tokenizer: Any, options: TemplateOptions = DEFAULT) -> Self:
        """As a run with a method's own settings would, without a limit."""
        config = METHOD_CONFIGS.get(method or "")
        if config is None:
            return cls(tokenizer, options)
        judged = config.answers if issubclass(config, PreferenceConfig) else 0
        return cls(tokenizer, options, imitated=config.need != "prompt", judged=judged)

    def measure(self, row: Row) -> RowLength:
        """A row's lengths. Raises `UserError` where the row cannot be used."""
        if not self.imitated:
            prompt = render_prompt(self.tokenizer, row, self.options)
            require_known(prompt.tokens, self.known)
            return RowLength((SequenceLength(len(prompt.tokens)),), prompt.notes)
        if self.judged:
            return self._measure_judged(row)
        examples = render_examples(self.tokenizer, row, self.options, answers_only=self.answers_only)
        for example in examples:
            require_known(example.tokens, self.known)
        if not any(any(example.answer_mask[1:]) for example in examples):
            raise UserError("The row has nothing to learn", remedy="add an answer, or remove the row")
        return RowLength(tuple(map(SequenceLength.of, examples)), examples[0].notes)

    def _measure_judged(self, row: Row) -> RowLength:
        found = list(self.answers_of(row).values())
        notes = tuple(dict.fromkeys(note for one in found for note in one.notes))
        return RowLength(tuple(map(SequenceLength.of, found)), notes)

    def answers_of(self, row: Row) -> dict[str, Example]:
        """The judged answers of a row by name, each behind its prompt. Raises `UserError` where one cannot be used."""
        limit = self.limit if self.cut else None
        found = render_judged(self.tokenizer, row, self.options, self.judged, limit)
        for one in found.values():
            require_known(one.tokens, self.known)
        return found

    def sample(self, rows: Sequence[Row], watch: Watch = UNWATCHED) -> Iterator[RowLength]:
        """Lengths of at most `MEASURED_ROWS` rows, without those that the template refuses. Raises `Stopped`."""
        for place in range(0, len(rows), max(1, -(-len(rows) // MEASURED_ROWS))):
            watch.pause_point()
            with suppress(UserError):
                yield self.measure(rows[place])

    def sample_that_fits(self, rows: Sequence[Row]) -> list[RowLength]:
        """The sample without rows that are longer than `limit`: a run leaves them out."""
        return list(filter(self.fits, self.sample(rows)))

    def fits(self, row: RowLength) -> bool:
        """Whether a run has room for the row."""
        return self.limit is None or row.longest <= self.limit


def require_known(tokens: Sequence[int], known: int | None) -> None:
    """Raises `UserError` for a token that the model has no embedding for: it would be read as anything."""
    if known and (beyond := max(tokens, default=0)) >= known:
        raise UserError(
            f"Token {beyond:,} lies beyond the {known:,} that the model has an embedding for",
            remedy="the tokenizer has tokens that the model was never given; choose another version of the model",
        )


@dataclass(frozen=True)
class QuickLens(Lens):
    """The same by a tokenizer of the library `tokenizers`, which needs a tenth of the time and no transformers.

    It knows no template: `frame` stands for the tokens that one puts around a row's text, and a row is one sequence. A
    window measures so; a row that just misses may count as one that fits.
    """

    frame: int = 0

    def measure(self, row: Row) -> RowLength:
        """A row's lengths; nothing is refused."""
        if self.judged:
            with suppress(UserError):
                sides = judged_rows(row, self.judged).values()
                return RowLength(tuple(self._cut(self._measured(side)) for side in sides))
        return RowLength((self._measured(row),))

    def _cut(self, one: SequenceLength) -> SequenceLength:
        """As much of an answer as a run keeps; a prompt that leaves it no room is longer than what fits."""
        if not self.cut or self.limit is None or one.read >= self.limit:
            return one
        return SequenceLength(one.read, min(one.learnt, self.limit - one.read))

    def _measured(self, row: Row) -> SequenceLength:
        read, answer = _read_and_answered(row)
        system = self.options.system_prompt if read else ""
        counted = [self._count(text) for text in (system, read, answer)]
        asked = counted[0] + counted[1] + (self.frame if read else 0)
        return SequenceLength(asked, counted[2] if self.imitated else 0)

    def _count(self, text: str) -> int:
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)


def _read_and_answered(row: Row) -> tuple[str, str]:
    """What is read and what is answered, as plain text; a row of text alone is answered whole."""
    if "prompt" not in row and "messages" not in row:
        return "", str(row.get("text") or "")
    contents = [(turn["role"], str(turn["content"])) for turn in turns_of(row)]
    answered = bool(contents) and contents[-1][0] == "assistant"
    read = contents[:-1] if answered else contents
    return "\n".join(content for _, content in read), contents[-1][1] if answered else ""


def room_of(config: RunConfig) -> int:
    """Tokens that a run keeps free behind a row, for the completion."""
    return config.sampling.max_completion_length if config.samples else 0


def prompt_length(tokenizer: Any, row: Row, options: TemplateOptions = DEFAULT) -> int:
    """Tokens of the prompt as the model sees it; of the text itself for a row of text, and for one that cannot be rendered."""
    if "prompt" in row:
        with suppress(UserError):  # a row that the template refuses is said elsewhere
            return Lens(tokenizer, options).measure(row).longest
    text = prompt_text(row) if "prompt" in row else str(row.get("text", ""))
    return len(tokenizer.encode(text, add_special_tokens=False))
