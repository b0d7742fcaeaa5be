"""A teacher that only reports: its likeliest tokens and the sampled one, with their log-probabilities.

Shapes: M scored tokens, K reported ones of each.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.methods.distillation.divergence import Support, log_softmax, on_support, united

Numbers = NDArray[Any]


class TeacherReports:
    """The divergence on what the teacher reported of each token.

    `best` (M, K) ids and `best_logprobs` (M, K); `sampled` (M,) ids and `sampled_logprobs` (M,). Compared are the best at
    beta 0, the sampled token at beta 1, and both the single best and the sampled one between. `slots` (N, T): where each
    token's report lies, -1 where there is none.
    """

    def __init__(
        self,
        best: Numbers,
        best_logprobs: Numbers,
        sampled: Numbers,
        sampled_logprobs: Numbers,
        slots: Numbers,
        *,
        beta: float,
        tail: bool,
    ) -> None:
        self.beta, self.tail, self.slots = beta, tail, slots
        own = _pair(sampled[:, None], sampled_logprobs[:, None])
        likely = _pair(best, best_logprobs)
        if beta in (0.0, 1.0):
            ids, logprobs = likely if beta == 0.0 else own
            self._support = Support(ids, mx.ones(ids.shape, mx.bool_), logprobs)
        else:
            top = np.argmax(best_logprobs, axis=-1)[:, None]
            first = _pair(np.take_along_axis(best, top, -1), np.take_along_axis(best_logprobs, top, -1))
            ids, valid = united(first[0], own[0])
            self._support = Support(ids, valid, mx.concatenate([first[1], own[1]], axis=-1))

    def places(self, row_index: Numbers, flat: Numbers, length: int) -> Numbers:
        """The slots (M,) of tokens at `flat` positions in (rows of `row_index`, `length`)."""
        row, column = np.divmod(flat, length)
        return self.slots[row_index[row], column]

    def measured(self, logits: mx.array, places: Numbers) -> tuple[mx.array, mx.array]:
        """Divergences (c,) of the student's logits (c, V) at the temperature, and their derivative by them."""
        known, index = mx.array(places) >= 0, mx.array(places.clip(0))
        whole = self._support
        part = Support(whole.ids[index], whole.valid[index], whole.teacher[index])
        values, slopes = on_support(log_softmax(logits), part, self.beta, tail=self.tail)
        return mx.where(known, values, 0.0), mx.where(known[:, None], slopes, 0.0)


def _pair(ids: Numbers, logprobs: Numbers) -> tuple[mx.array, mx.array]:
    return mx.array(ids.astype(np.int32)), mx.array(logprobs.astype(np.float32))
