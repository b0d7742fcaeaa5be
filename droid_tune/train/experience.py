"""One rollout, judged: what the policy gradient is computed from, and what a resume needs of it.

Shapes: P prompts, G completions each, N = P x G rows in groups, T positions, right-padded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.methods.losses import LossRows
from droid_tune.model.gradients.scoring_rows import ScoringRows

Array = NDArray[Any]


@dataclass(frozen=True)
class Experience:
    """Completions with everything that stays fixed while they are trained on.

    `mask` (N, T) is the loss mask (truncated rows out where asked); log-probabilities (N, T) or None where a
    method has no use for them; `rollout_tokens` counts the loss tokens of the whole generation batch.
    """

    rows: ScoringRows
    mask: Array
    advantages: Array
    sampled_logprobs: Array
    old_logprobs: Array | None
    reference_logprobs: Array | None
    sampler_ratio: Array | None
    rollout_tokens: float

    def slice_rows(self, part: int, parts: int) -> Array:
        """Row numbers of slice `part` of `parts` equal consecutive ones."""
        size = len(self.rows) // parts
        return np.arange(part * size, (part + 1) * size)

    def scored_rows(self, index: Array) -> ScoringRows:
        """The rows of a slice with their loss mask."""
        rows = self.rows.take(index)
        return ScoringRows(rows.prompts, rows.prompt_index, rows.tokens, self.mask[index])

    def loss_rows(self, index: Array, entropy_mask: Array | None) -> LossRows:
        """The loss's constants for the rows of a slice; `entropy_mask` belongs to the slice already."""

        def cut(array: Array | None) -> Array | None:
            return None if array is None else array[index]

        return LossRows.of(
            mask=self.mask[index],
            advantages=self.advantages[index],
            old_logprobs=cut(self.old_logprobs),
            reference_logprobs=cut(self.reference_logprobs),
            sampled_logprobs=cut(self.sampled_logprobs),
            sampler_ratio=cut(self.sampler_ratio),
            entropy_mask=entropy_mask,
        )

    def to_tensors(self) -> dict[str, mx.array]:
        """Flat arrays for a checkpoint."""
        lengths = [len(prompt) for prompt in self.rows.prompts]
        arrays: dict[str, Any] = {
            "prompt_tokens": np.concatenate([np.asarray(p, np.int32) for p in self.rows.prompts]),
            "prompt_lengths": np.asarray(lengths, np.int32),
            "prompt_index": self.rows.prompt_index.astype(np.int32),
            "tokens": self.rows.tokens,
            "completion_mask": self.rows.completion_mask,
            **{name: getattr(self, name) for name in _ARRAYS},
        }
        tensors = {name: mx.array(array) for name, array in arrays.items() if array is not None}
        return tensors | {"rollout_tokens": mx.array(self.rollout_tokens)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, mx.array]) -> Experience:
        """The inverse of `to_tensors`."""
        arrays = {name: np.array(tensor) for name, tensor in tensors.items()}
        ends = np.cumsum(arrays["prompt_lengths"])
        prompts = [part.tolist() for part in np.split(arrays["prompt_tokens"], ends[:-1])]
        rows = ScoringRows(
            prompts, arrays["prompt_index"].astype(np.int64), arrays["tokens"], arrays["completion_mask"]
        )
        rest = {name: arrays.get(name) for name in _ARRAYS}
        return cls(rows=rows, rollout_tokens=float(arrays["rollout_tokens"]), **rest)  # pyright: ignore[reportArgumentType]


_ARRAYS = tuple(f.name for f in fields(Experience) if f.name not in ("rows", "rollout_tokens"))


@dataclass
class Replay:
    """Where training stands in its current rollout: slices in order, the whole `passes` times (TRL's buffer)."""

    experience: Experience
    slices: int
    passes: int
    next: int = 0

    @property
    def exhausted(self) -> bool:
        return self.next >= self.slices * self.passes

    def take(self) -> Array:
        """Row numbers of the next slice."""
        index = self.experience.slice_rows(self.next % self.slices, self.slices)
        self.next += 1
        return index

    def remaining(self) -> Iterator[int]:
        yield from range(self.next, self.slices * self.passes)
