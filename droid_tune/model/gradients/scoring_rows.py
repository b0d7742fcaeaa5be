"""What is scored: completions of known prompts, grouped by prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from droid_tune.estimate.bucketed_lengths import bucketed

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ScoringRows:
    """N completions (N, T), right-padded; `prompt_index` (N,) says which prompt each one continues.

    `completion_mask` is 1 on the tokens to score and 0 elsewhere (padding; in SFT also tokens of other speakers).
    So many rows that follow one another as `together` says are one thing (the two sides of a pair): they run in the same
    micro-batch, where it may hold as many.
    """

    prompts: Sequence[Sequence[int]]
    prompt_index: npt.NDArray[np.int64]
    tokens: IntArray
    completion_mask: FloatArray
    together: int = field(default=1, kw_only=True)

    @classmethod
    def of_groups(
        cls, prompts: Sequence[Sequence[int]], group_size: int, tokens: Any, completion_mask: Any
    ) -> ScoringRows:
        """Rows in groups of `group_size` that follow one another, one group per prompt."""
        return cls(
            prompts,
            np.repeat(np.arange(len(prompts)), group_size),
            np.asarray(tokens, np.int32),
            np.asarray(completion_mask, np.float32),
        )

    def __len__(self) -> int:
        return int(self.tokens.shape[0])

    @property
    def length(self) -> int:
        """Token positions T of the longest row."""
        return int(self.tokens.shape[1])

    def take(self, rows: Any) -> ScoringRows:
        """The chosen rows; the prompts stay."""
        chosen = np.asarray(rows)
        return ScoringRows(
            self.prompts,
            self.prompt_index[chosen],
            self.tokens[chosen],
            self.completion_mask[chosen],
            together=self.together,
        )

    def micro_batches(self, rows: int) -> Iterator[tuple[int, list[MicroBatch]]]:
        """Prompt by prompt, the group in micro-batches of at most `rows`, longest first; rows that score
        nothing are left out."""
        for prompt in np.unique(self.prompt_index):
            members = np.flatnonzero(self.prompt_index == prompt)
            ends = last_scored(self.completion_mask[members])
            members, ends = members[ends > 0], ends[ends > 0]
            order = np.argsort(-ends, kind="stable")
            batches = [
                MicroBatch(members[part], self, bucketed(int(ends[part].max())))
                for part in (order[start : start + rows] for start in range(0, len(order), rows))
            ]
            if batches:
                yield int(prompt), batches


def last_scored(mask: FloatArray) -> npt.NDArray[np.int64]:
    """Up to which position each row (n, T) is scored, (n,): one past the last; 0 where nothing is."""
    return (mask.shape[1] - np.argmax(mask[:, ::-1] > 0, axis=1)) * (mask > 0).any(axis=1)


@dataclass(frozen=True)
class MicroBatch:
    """Rows of one group that run together, cut (or padded) to a length that the longest of them fits in."""

    row_index: npt.NDArray[np.int64]
    source: ScoringRows
    length: int

    @property
    def tokens(self) -> IntArray:
        """Ids (n, t) of its rows, cut or padded to its own length."""
        return _of_length(self.source.tokens[self.row_index], self.length)

    @property
    def scored(self) -> npt.NDArray[np.int64]:
        """Flat positions (M,) of the scored tokens in (n, length)."""
        mask = _of_length(self.source.completion_mask[self.row_index], self.length)
        return np.flatnonzero(mask.reshape(-1) > 0)

    def spread(self, flat_rows: int) -> npt.NDArray[np.int64]:
        """The same positions in (n, flat_rows): flat positions in the full-width arrays."""
        row, column = np.divmod(self.scored, self.length)
        return row * flat_rows + column


def _of_length(rows: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    """The first `length` columns; zeros where there are fewer."""
    return np.pad(rows[:, :length], ((0, 0), (0, max(0, length - rows.shape[1]))))
