"""What a policy loss needs to know: its settings, the slice it belongs to and the rows it is given.

A rollout is cut into slices; memory micro-batches are parts of a slice. Everything that depends on the
whole slice is counted once, on the host, into a `SliceContext`. With it the loss is a plain sum over
rows: cutting a slice into micro-batches cannot change a number.

Shapes: n rows of a micro-batch, B rows of its slice, T token positions, right-padded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.names import LossType, RatioLevel

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class LossSpec:
    """The settings of a policy loss. Names, meaning and defaults are TRL's (1.16).

    `epsilon`, `epsilon_high` (None: the same) are clip widths, for cispo `epsilon_high` is the cap itself;
    `delta` caps the unclipped ratio; `beta` weighs the KL term; `off_policy_mask_threshold` is in nats; `beta2` scales
    A*-PO's implicit reward.
    """

    loss_type: LossType = "dapo"
    importance_sampling_level: RatioLevel = "token"
    epsilon: float = 0.2
    epsilon_high: float | None = None
    delta: float | None = None
    beta: float = 0.0
    use_bias_correction_kl: bool = True
    top_entropy_quantile: float = 1.0
    off_policy_mask_threshold: float | None = None
    sapo_temperature_pos: float = 1.0
    sapo_temperature_neg: float = 1.05
    vespo_k_pos: float = 2.0
    vespo_lambda_pos: float = 3.0
    vespo_k_neg: float = 3.0
    vespo_lambda_neg: float = 2.0
    beta2: float = 1e-3

    @property
    def upper_width(self) -> float:
        """The upper clip width: `epsilon_high`, or `epsilon` where it is not given."""
        return self.epsilon if self.epsilon_high is None else self.epsilon_high


def settings_of(kind: type[Settings], source: object) -> Settings:
    """A settings dataclass filled from the attributes of the same names, such as a method's config has."""
    return kind(**{field.name: getattr(source, field.name) for field in fields(kind)})  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class SliceContext:
    """What the loss must know of the whole slice (TRL's micro-step), counted once before it is cut up.

    `rows` B; `tokens` loss tokens of the slice; `rollout_tokens` loss tokens of the whole generation batch;
    `bonus_tokens` those the entropy bonus acts on; `entropy_coef` its weight in this step (0: none);
    `training` False for evaluation, where nothing is accumulated; `one_column` whether T is 1.
    """

    rows: int
    tokens: float
    rollout_tokens: float
    bonus_tokens: float
    max_completion_length: int
    gradient_accumulation_steps: int = 1
    steps_per_generation: int = 1
    entropy_coef: float = 0.0
    training: bool = True
    one_column: bool = False

    @property
    def accumulation(self) -> int:
        """Slices per optimizer step; 1 in evaluation."""
        return self.gradient_accumulation_steps if self.training else 1


def slice_context(
    mask: NDArray[Any],
    *,
    max_completion_length: int,
    rollout_tokens: float | None = None,
    entropy_mask: NDArray[np.bool_] | None = None,
    gradient_accumulation_steps: int = 1,
    steps_per_generation: int = 1,
    entropy_coef: float = 0.0,
    training: bool = True,
) -> SliceContext:
    """Counts a slice from its loss mask (B, T), its `entropy_mask` (B, T) and the rollout's loss tokens.

    Without `rollout_tokens` the slice is taken for the whole rollout.
    """
    tokens = float(mask.sum())
    return SliceContext(
        rows=mask.shape[0],
        tokens=tokens,
        rollout_tokens=tokens if rollout_tokens is None else float(rollout_tokens),
        bonus_tokens=tokens if entropy_mask is None else float((mask * entropy_mask).sum()),
        max_completion_length=max_completion_length,
        gradient_accumulation_steps=gradient_accumulation_steps,
        steps_per_generation=steps_per_generation,
        entropy_coef=entropy_coef,
        training=training,
        one_column=mask.shape[1] == 1,
    )


@dataclass(frozen=True)
class LossRows:
    """The constants of n rows: everything but what is differentiated.

    `mask` (n, T) 1 where a token is in the loss (completion x tool mask, truncated rows out);
    `advantages` (n,), or (n, T) for tokens; log-probabilities (n, T): `old_logprobs` at rollout (None: on-policy, the
    current ones),
    `reference_logprobs` (needed when beta is not 0), `sampled_logprobs` as the sampler saw them;
    `sampler_ratio` (n, T) or (n, 1) weighs the policy term; `entropy_mask` (n, T) keeps high-entropy tokens.
    """

    mask: mx.array
    advantages: mx.array
    old_logprobs: mx.array | None = None
    reference_logprobs: mx.array | None = None
    sampled_logprobs: mx.array | None = None
    sampler_ratio: mx.array | None = None
    entropy_mask: mx.array | None = None

    @staticmethod
    def of(**arrays: NDArray[Any] | None) -> LossRows:
        """Rows from host arrays by field name, as float32."""
        known = {
            name: mx.array(array.astype(np.float32)) for name, array in arrays.items() if array is not None
        }
        return LossRows(**known)

    def take(self, rows: NDArray[np.integer[Any]] | mx.array) -> LossRows:
        """Some of the rows, in the order of `rows`."""
        index = mx.array(rows)
        return self._each(lambda array: array[index])

    def narrowed(self, width: int) -> LossRows:
        """The first `width` positions: a micro-batch may be padded less than its slice."""
        if self.mask.shape[1] == width:
            return self
        return self._each(lambda array: array[:, :width] if array.ndim == 2 else array)

    def _each(self, change: Callable[[mx.array], mx.array]) -> LossRows:
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        changed: dict[str, Any] = {name: change(array) for name, array in arrays.items() if array is not None}
        return LossRows(**changed)
