"""How far a student is from a teacher with another tokenizer: of whole rows at a time, because tokens are merged.

The loss of a row depends on the logits of several tokens together. So every token of a row has the row's loss as its value,
and as its derivative that of the row's loss, times the row's tokens: a mean over the row's tokens is then the row's loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from droid_tune.methods.distillation.across_tokenizers import Group, Uld, merged, uld_loss
from droid_tune.model.arrays import Indices


@dataclass(frozen=True)
class OtherTokens:
    """What the teacher says of one row: merged distributions (G, V'), and the groups that they are of."""

    distributions: mx.array
    groups: Sequence[Group]


@dataclass(frozen=True)
class UldMeasure:
    """The distance of each row (N of them) from its teacher; `ids` (N, T) are the student's tokens.

    A chunk of the head must hold whole rows. A row whose teacher says nothing has no distance.
    """

    uld: Uld
    rows: Sequence[OtherTokens | None]
    ids: Indices

    def places(self, row_index: Indices, flat: Indices, length: int) -> Indices:
        """Row and position of each token (M,) as one number."""
        row, column = np.divmod(flat, length)
        return row_index[row] * self.ids.shape[1] + column

    def measured(self, logits: mx.array, places: Indices) -> tuple[mx.array, mx.array]:
        """Each token's row's distance (c,), and the derivative by the logits (c, V)."""
        owner, column = np.divmod(places, self.ids.shape[1])
        values, slopes = mx.zeros(len(places)), mx.zeros(logits.shape)
        for row in np.unique(owner):
            other = self.rows[row]
            if other is None:
                continue
            members = np.flatnonzero(owner == row)
            index, ids = mx.array(members), mx.array(self.ids[row, column[members]].astype(np.int32))
            value, slope = mx.value_and_grad(self._distance)(logits[index], ids, other)
            values[index] = value
            slopes[index] = slope * len(members)
        return values, slopes

    def _distance(self, logits: mx.array, ids: mx.array, other: OtherTokens) -> mx.array:
        own = [group for group, _ in other.groups]
        student = merged(mx.softmax(logits, axis=-1), own, ids, self.uld.strategy)
        return uld_loss(self.uld, student, other.distributions)[0]
