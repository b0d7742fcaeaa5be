"""Rows without the padding behind them, for all of a pass but its attention.

The tokens behind a row's last state are seen by none that counts, and nothing flows back to them. All of them but a few are
left out; one that is kept stands for those, where rows are laid side by side again.
"""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from droid_tune.estimate.bucketed_lengths import bucketed
from droid_tune.model.arrays import Indices

#: of all tokens: to leave out fewer is not worth the copies
LEAST_PADDING = 0.1


class UnpaddedRows:
    """Which of n rows of T tokens are kept, where the wanted states are at flat positions `states` (M,) of them: `count` in
    all, of few different numbers."""

    def __init__(self, rows: int, steps: int, states: Indices) -> None:
        ends = np.zeros(rows, np.int64)
        np.maximum.at(ends, states // steps, states % steps + 1)
        real = (np.arange(steps) < ends[:, None]).reshape(-1)
        self.count = bucketed(int(real.sum()) + 1)
        self._kept = self._spots = None
        if self.count > (1 - LEAST_PADDING) * rows * steps:
            self.count = rows * steps
            return
        padding = np.flatnonzero(~real)
        kept = np.sort(np.concatenate([np.flatnonzero(real), padding[: self.count - int(real.sum())]]))
        spots = np.full(rows * steps, np.searchsorted(kept, padding[0]))
        spots[kept] = np.arange(len(kept))
        self._kept, self._spots = mx.array(kept), mx.array(spots)

    def gathered(self, everything: mx.array) -> mx.array:
        """(n T, ...) to the tokens that are kept (K, ...)."""
        return everything if self._kept is None else everything[self._kept]

    def spread(self, kept: mx.array) -> mx.array:
        """(K, ...) to (n T, ...); one token of padding stands for all that were left out."""
        return kept if self._spots is None else kept[self._spots]

    def places_of(self, states: mx.array) -> mx.array:
        """Where flat positions (M,) in (n T) are among the tokens that are kept."""
        return states if self._spots is None else self._spots[states]
