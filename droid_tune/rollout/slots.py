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
        prompts, counts = np.unique(row_prompts, return_counts=True)
        self.size = slot_size(counts, lengths)
        of_each = -(-counts // self.size)
        #: of each slot (S,) its prompt
        self.prompts: list[int] = np.repeat(prompts, of_each).tolist()
        #: (S, R): which row sits where
        self.members = _members(row_prompts, counts, of_each, self.size)
        flat = self.members.reshape(-1)
        self.in_order = bool(np.array_equal(flat, np.arange(len(row_prompts))))
        #: from rows to places in the slots, and back
        self.inward = mx.array(flat)
        self.outward = mx.array(np.unique(flat, return_index=True)[1])


def _members(row_prompts: np.ndarray, counts: np.ndarray, of_each: np.ndarray, size: int) -> np.ndarray:
    """The rows (S, R) of each slot, prompt after prompt; `counts` rows of each prompt fill `of_each` slots of it."""
    order = np.argsort(row_prompts, kind="stable")
    first, last = np.cumsum(counts) - counts, np.cumsum(counts) - 1
    number = np.arange(of_each.sum()) - np.repeat(np.cumsum(of_each) - of_each, of_each)  # within its prompt
    starts = np.repeat(first, of_each) + size * number
    return order[np.minimum(starts[:, None] + np.arange(size), np.repeat(last, of_each)[:, None])]


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
