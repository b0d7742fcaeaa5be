"""Judged answers as rows to score: those of one data row stand together, behind what their prompts share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.model.gradients.scoring_rows import FloatArray, ScoringRows
from droid_tune.train.rows.examples import TrainingExample


@dataclass(frozen=True)
class JudgedUnit:
    """The answers of one data row that are compared, or one answer alone and whether it is `good`.

    `key` names it in its split: the row's number, and which of the row's answers it is.
    """

    key: tuple[int, int]
    answers: tuple[TrainingExample, ...]
    good: bool = True
    #: by how much the first answer is said to be better
    margin: float = 0.0

    @cached_property
    def shared(self) -> int:
        """Tokens at the beginning that are the same in all answers and learnt in none."""
        first, *others = (one.tokens[: one.start] for one in self.answers)
        for other in others:
            same = takewhile(lambda pair: pair[0] == pair[1], zip(first, other, strict=False))
            first = first[: sum(1 for _ in same)]
        return max(1, len(first))

    @cached_property
    def digest(self) -> int:
        """Of all tokens and of which are learnt, 63 bits."""
        words = hashlib.blake2b(digest_size=8)
        for one in self.answers:
            words.update(np.array([len(one.tokens), *one.tokens], np.int32).tobytes())
            words.update(np.array(one.learn, np.uint8).tobytes())
        return int.from_bytes(words.digest(), "little") >> 1


@dataclass(frozen=True)
class JudgedRows:
    """Units as rows: S answers each, one after the other. `answer_mask` (N, T) is 1 on the answers' tokens; with
    `learns_prompt` the first answer's row is scored from its second token on, and `read_mask` is 1 on what is not answer.
    With `at_end` each row has one more token, the only one that is scored: the state before it has read the whole answer.
    """

    units: Sequence[JudgedUnit]
    rows: ScoringRows
    answer_mask: FloatArray
    read_mask: FloatArray

    @property
    def answers(self) -> int:
        """S, answers of a unit."""
        return len(self.units[0].answers)

    @property
    def good(self) -> FloatArray:
        """1 for units whose answer is good (n,)."""
        return np.array([unit.good for unit in self.units], np.float32)

    @property
    def margins(self) -> FloatArray:
        """By how much each unit's first answer should be better (n,)."""
        return np.array([unit.margin for unit in self.units], np.float32)

    def tokens_of(self, answer: int) -> float:
        """Scored tokens of all units' answers of one place."""
        return float(self.rows.completion_mask[answer :: self.answers].sum())

    def row_numbers(self, units: NDArray[Any]) -> NDArray[np.int64]:
        """The rows of some units, in their order."""
        return (np.asarray(units, np.int64)[:, None] * self.answers + np.arange(self.answers)).reshape(-1)

    def separated(self) -> ScoringRows:
        """The same rows without the wish to run together."""
        rows = self.rows
        return ScoringRows(rows.prompts, rows.prompt_index, rows.tokens, rows.completion_mask)


def judged_rows_of(
    units: Sequence[JudgedUnit], *, learns_prompt: bool = False, at_end: bool = False
) -> JudgedRows:
    """Units as rows to score."""
    answers, starts = [one for unit in units for one in unit.answers], _starts(units, learns_prompt)
    width = max(len(one.tokens) - start for one, start in zip(answers, starts, strict=True))
    shape = (len(answers), width + at_end)
    tokens, mask, read = np.zeros(shape, np.int32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for row, (one, start) in enumerate(zip(answers, starts, strict=True)):
        rest = len(one.tokens) - start
        tokens[row, :rest] = one.tokens[start:]
        if at_end:
            mask[row, rest] = 1.0
        else:
            mask[row, :rest] = one.learn[start:]
        if learns_prompt and row % len(units[0].answers) == 0:
            read[row, : one.start - start] = 1.0
    prompts, index = _prompts(units, starts)
    together = len(units[0].answers)
    return JudgedRows(
        units, ScoringRows(prompts, index, tokens, np.maximum(mask, read), together=together), mask, read
    )


def _starts(units: Sequence[JudgedUnit], learns_prompt: bool) -> list[int]:
    """Where the scored part of each answer's row begins: behind the shared prompt, or behind the first token."""
    return [
        1 if learns_prompt and place == 0 else unit.shared
        for unit in units
        for place in range(len(unit.answers))
    ]


def _prompts(units: Sequence[JudgedUnit], starts: Sequence[int]) -> tuple[list[list[int]], NDArray[np.int64]]:
    """The read parts, each once for its unit, and which of them each row continues."""
    prompts: list[list[int]] = []
    index: list[int] = []
    remaining = iter(starts)
    for unit in units:
        own: dict[int, int] = {}
        for one in unit.answers:
            start = next(remaining)
            if start not in own:
                own[start] = len(prompts)
                prompts.append(one.tokens[:start])
            index.append(own[start])
    return prompts, np.array(index, np.int64)
