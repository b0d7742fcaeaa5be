"""Which row of a decoding batch sits where: rows that continue one prompt share slots of equal size."""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import numpy as np


class Slots:
    """Slots of equal size for rows of some prompts; a slot that is not full repeats its last row.

    `row_prompts` (n,) numbers each row's prompt, `lengths` are the prompts' in tokens.
    """

    def __init__(self, row_prompts: np.ndarray, lengths: Sequence[int]) -> None:
        self.size = slot_size(np.unique(row_prompts, return_counts=True)[1], lengths)
        #: of each slot (S,) its prompt
        self.prompts: list[int] = []
        members: list[np.ndarray] = []
        for prompt in np.unique(row_prompts):
            rows = np.flatnonzero(row_prompts == prompt)
            for start in range(0, len(rows), self.size):
                spare = max(0, start + self.size - len(rows))
                members.append(np.pad(rows[start : start + self.size], (0, spare), mode="edge"))
                self.prompts.append(int(prompt))
        #: (S, R): which row sits where
        self.members = np.stack(members)
        flat = self.members.reshape(-1)
        self.in_order = bool(np.array_equal(flat, np.arange(len(row_prompts))))
        #: from rows to places in the slots, and back
        self.inward = mx.array(flat)
        self.outward = mx.array(np.array([np.flatnonzero(flat == row)[0] for row in range(len(row_prompts))]))


def slot_size(counts: np.ndarray, lengths: Sequence[int]) -> int:
    """Rows per slot for prompts with `counts` live rows: as large as possible without running many idle rows.

    An idle row costs about as much as a live one; a further slot costs another reading of its prompt, counted as a
    row per 512 prompt tokens.
    """
    price = 0.05 + max(lengths) / 512

    def cost(size: int) -> float:
        slots = np.ceil(counts / size)
        return float((slots * size).sum() + price * slots.sum())

    return min(range(1, int(counts.max()) + 1), key=lambda size: (cost(size), -size))
