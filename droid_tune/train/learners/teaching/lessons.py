"""One rollout with its teacher: the student's completions, and the same behind what the teacher reads.

Shapes: N completions, T positions, right-padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.model.gradients.scoring_rows import ScoringRows

Array = NDArray[Any]


@dataclass(frozen=True)
class Lessons:
    """What a step of teaching is computed from, and what a resume needs of it.

    `teacher` has the student's completions with prompts of its own; `taught` (N, T) is 1 where the teacher is heard, `mask`
    (N, T) where the policy term is; `advantages` (N,); `old_logprobs` and `sampled_logprobs` (N, T) are those at rollout.
    """

    student: ScoringRows
    teacher: ScoringRows
    taught: Array
    mask: Array
    advantages: Array
    sampled_logprobs: Array
    old_logprobs: Array | None = None

    def __len__(self) -> int:
        return len(self.student)

    def take(self, rows: Array) -> Lessons:
        """The chosen rows; the prompts stay."""
        chosen: dict[str, Any] = {
            name: None if array is None else array[rows] for name, array in self._arrays().items()
        }
        return Lessons(self.student.take(rows), self.teacher.take(rows), **chosen)

    def scored(self, mask: Array) -> ScoringRows:
        """The student's rows, of which what `mask` (N, T) says is scored."""
        return replace(self.student, completion_mask=mask)

    @property
    def heard(self) -> ScoringRows:
        """The teacher's rows, of which what is taught is scored."""
        return replace(self.teacher, completion_mask=self.taught)

    def _arrays(self) -> dict[str, Any]:
        names = ("taught", "mask", "advantages", "sampled_logprobs", "old_logprobs")
        return {name: getattr(self, name) for name in names}

    def to_tensors(self) -> dict[str, mx.array]:
        """Flat arrays for a checkpoint."""
        arrays: dict[str, Any] = {
            "tokens": self.student.tokens,
            "completion_mask": self.student.completion_mask,
            **_prompts("student", self.student),
            **_prompts("teacher", self.teacher),
            **self._arrays(),
        }
        return {name: mx.array(array) for name, array in arrays.items() if array is not None}

    @classmethod
    def from_tensors(cls, tensors: dict[str, mx.array]) -> Lessons:
        """The inverse of `to_tensors`."""
        arrays: dict[str, Array] = {name: np.array(tensor) for name, tensor in tensors.items()}
        return cls(
            _rows("student", arrays),
            _rows("teacher", arrays),
            arrays["taught"],
            arrays["mask"],
            arrays["advantages"],
            arrays["sampled_logprobs"],
            arrays.get("old_logprobs"),
        )


def taught_rows(student: ScoringRows, prompts: Sequence[Sequence[int]]) -> ScoringRows:
    """The same completions, each behind a teacher's prompt of its own (N of them; equal ones are kept once)."""
    unique = list(dict.fromkeys(tuple(prompt) for prompt in prompts))
    places = {prompt: place for place, prompt in enumerate(unique)}
    index = np.array([places[tuple(prompt)] for prompt in prompts], np.int64)
    return replace(student, prompts=[list(prompt) for prompt in unique], prompt_index=index)


def _prompts(side: str, rows: ScoringRows) -> dict[str, Array]:
    return {
        f"{side}_prompt_tokens": np.concatenate([np.asarray(one, np.int32) for one in rows.prompts]),
        f"{side}_prompt_lengths": np.asarray([len(one) for one in rows.prompts], np.int32),
        f"{side}_prompt_index": rows.prompt_index.astype(np.int32),
    }


def _rows(side: str, arrays: dict[str, Array]) -> ScoringRows:
    ends = np.cumsum(arrays[f"{side}_prompt_lengths"])
    parts = np.split(arrays[f"{side}_prompt_tokens"], ends[:-1])
    return ScoringRows(
        [part.tolist() for part in parts],
        arrays[f"{side}_prompt_index"].astype(np.int64),
        arrays["tokens"],
        arrays["completion_mask"],
    )
