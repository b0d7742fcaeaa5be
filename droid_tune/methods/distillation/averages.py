"""How what a teacher says of each token becomes one loss: over tokens, over rows, or as weights of log-probabilities.

Every loss is a plain sum over rows, so that micro-batches change no number. Padding may hold anything.

Shapes: n rows, T positions, right-padded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.methods.losses.ratios import row_tokens
from droid_tune.methods.losses.terms import only

#: log ratios beyond this say nothing more of how far the student has moved
LARGEST_LOG_RATIO = 20.0

Sums = dict[str, mx.array]


@dataclass(frozen=True)
class TaughtRows:
    """The constants of n rows under a teacher: `mask` (n, T); log-probabilities of the sampled tokens (n, T) under the
    teacher and at rollout, None where they have no use."""

    mask: mx.array
    teacher_logprobs: mx.array | None = None
    old_logprobs: mx.array | None = None

    def take(self, rows: NDArray[np.integer[Any]], width: int) -> TaughtRows:
        """Some of the rows, of which the first `width` positions: a micro-batch may be padded less."""
        index = mx.array(rows)
        arrays = (self.mask, self.teacher_logprobs, self.old_logprobs)
        mask, teacher, old = (None if one is None else one[index][:, :width] for one in arrays)
        assert mask is not None
        return TaughtRows(mask, teacher, old)


def row_mean(
    rows: TaughtRows,
    logprobs: mx.array,
    divergences: mx.array | None,
    *,
    all_rows: float,
    largest_ratio: float | None,
) -> tuple[mx.array, Sums]:
    """Each row's token mean, over `all_rows` of the optimizer step: a row that is masked counts as 0 (SDFT, SDPO).

    Without `divergences` (n, T) the sampled token's log ratio to the teacher takes their place, a reverse KL by its
    gradient alone. Where old log-probabilities exist, a token counts by how much likelier it has become since, at most
    `largest_ratio` (None: 1 for all).
    """
    valid = rows.mask > 0
    current = only(valid, logprobs)
    if divergences is None:
        if rows.teacher_logprobs is None:
            raise ValueError("the sampled token's loss needs the teacher's log-probabilities")
        gap = mx.stop_gradient(current) - only(valid, rows.teacher_logprobs)
        values = gap * current
    else:
        values = only(valid, divergences)
    if rows.old_logprobs is not None and largest_ratio is not None:
        values = values * _since_rollout(current, only(valid, rows.old_logprobs), largest_ratio)
    total = (values / row_tokens(rows.mask)).sum() / all_rows
    return total, {"divergence": mx.stop_gradient(values.sum()), "taught_tokens": rows.mask.sum()}


def _since_rollout(current: mx.array, old: mx.array, largest: float) -> mx.array:
    moved = mx.clip(mx.stop_gradient(current) - old, -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO)
    return mx.minimum(mx.exp(moved), largest)
