"""One rollout, judged: what the policy gradient is computed from, and what a resume needs of it.

Shapes: P prompts, G completions each, N = P x G rows in groups, T positions, right-padded.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.methods.losses import LossRows
from droid_tune.model.gradients.scoring_rows import ScoringRows

Array = NDArray[Any]


@dataclass(frozen=True)
class Experience(ScoringRows):
    """Completions to score, with everything that stays fixed while they are trained on.

    `mask` (N, T) is the loss mask (truncated rows out where asked); log-probabilities (N, T) or None where a
    method has no use for them; `rollout_tokens` counts the loss tokens of the whole generation batch.
    """

    mask: Array
    advantages: Array
    sampled_logprobs: Array
    old_logprobs: Array | None = None
    reference_logprobs: Array | None = None
    sampler_ratio: Array | None = None
    #: what a critic foretold at rollout, and what it should have foretold (N, T)
    values: Array | None = None
    returns: Array | None = None
    rollout_tokens: float = 1.0

    def take(self, rows: Any) -> Experience:
        """The chosen rows; the prompts stay."""
        known = {name: getattr(self, name) for name in _ARRAYS}
        chosen = {name: None if array is None else array[rows] for name, array in known.items()}
        return replace(self, **chosen)

    @property
    def in_the_loss(self) -> Experience:
        """The same rows, of which only what is in the loss is scored."""
        return replace(self, completion_mask=self.mask)

    def loss_rows(self, entropy_mask: Array | None) -> LossRows:
        """The loss's constants for these rows; `entropy_mask` (N, T) keeps high-entropy tokens."""
        constants: dict[str, Array | None] = {name: getattr(self, name) for name in _CONSTANTS}
        return LossRows.of(**constants, entropy_mask=entropy_mask)

    def to_tensors(self) -> dict[str, mx.array]:
        """Flat arrays for a checkpoint."""
        lengths = [len(prompt) for prompt in self.prompts]
        arrays: dict[str, Any] = {
            "prompt_tokens": np.concatenate([np.asarray(p, np.int32) for p in self.prompts]),
            "prompt_lengths": np.asarray(lengths, np.int32),
            **{name: getattr(self, name) for name in _ARRAYS},
            "prompt_index": self.prompt_index.astype(np.int32),
        }
        tensors = {name: mx.array(array) for name, array in arrays.items() if array is not None}
        return tensors | {"rollout_tokens": mx.array(self.rollout_tokens)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, mx.array]) -> Experience:
        """The inverse of `to_tensors`."""
        arrays = {name: np.array(tensor) for name, tensor in tensors.items()}
        ends = np.cumsum(arrays["prompt_lengths"])
        prompts = [part.tolist() for part in np.split(arrays["prompt_tokens"], ends[:-1])]
        rest: dict[str, Any] = {name: arrays.get(name) for name in _ARRAYS}
        rest["prompt_index"] = rest["prompt_index"].astype(np.int64)
        return cls(prompts=prompts, rollout_tokens=float(arrays["rollout_tokens"]), **rest)


#: what has one entry for each row
_ARRAYS = tuple(
    one.name for one in fields(Experience) if one.name not in ("prompts", "together", "rollout_tokens")
)
#: those of them that the loss takes as they are
_CONSTANTS = tuple(one.name for one in fields(LossRows) if one.name != "entropy_mask")


@dataclass
class SliceCursor:
    """Where training stands in a rollout of `rows` rows: slices in order, the whole `passes` times (TRL's buffer)."""

    rows: int
    slices: int
    passes: int
    next: int = 0

    @property
    def exhausted(self) -> bool:
        """Whether every slice was used as often as it may be."""
        return self.next >= self.slices * self.passes

    def take(self) -> Array:
        """Row numbers of the next slice."""
        size, part = self.rows // self.slices, self.next % self.slices
        self.next += 1
        return np.arange(part * size, (part + 1) * size)
