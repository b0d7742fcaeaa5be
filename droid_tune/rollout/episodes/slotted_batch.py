"""Rows that are decoded together behind shared prompts, in their slots: what the model reads and writes of a batch."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np

from droid_tune.model.caches.ragged import RaggedCache, RaggedLayout
from droid_tune.rollout.episodes.joining import Prompts
from droid_tune.rollout.slots import Slots

Own = list[tuple[mx.array, mx.array]]  # of each layer keys and values (n, H, t, D)


class SlottedBatch:
    """Caches of all layers, one layout. `row_prompts` (n,) number the rows' prompts; `own` is what they have read behind
    these, `used` (n,) of so many tokens each."""

    def __init__(self, prompts: Prompts, row_prompts: np.ndarray, own: Own | None, used: np.ndarray) -> None:
        unique, numbered = np.unique(row_prompts, return_inverse=True)
        lengths = [prompts[int(prompt)].length for prompt in unique]
        self._slots = Slots(numbered, lengths)
        self._flat = self._slots.members.reshape(-1)
        self.used = used.astype(np.int64)
        self._layout = RaggedLayout(
            [lengths[prompt] for prompt in self._slots.prompts], self._slots.size, self.used[self._flat]
        )
        shared = prompts.side_by_side([int(unique[prompt]) for prompt in self._slots.prompts])
        placed = [None] * len(shared) if own is None else [self._inward(layer) for layer in own]
        self._caches = [
            RaggedCache(layer, self._layout, mine) for layer, mine in zip(shared, placed, strict=True)
        ]

    def _inward(self, layer: tuple[mx.array, mx.array]) -> tuple[mx.array, mx.array]:
        if self._slots.in_order:
            return layer
        return layer[0][self._slots.inward], layer[1][self._slots.inward]

    def run(self, model: Any, tokens: mx.array, real: np.ndarray | int) -> mx.array:
        """Logits (n, T, V) after tokens (n, T), of each row's so many `real`."""
        slots = self._slots
        self._layout.begin(int(tokens.shape[1]))
        logits = model(tokens if slots.in_order else tokens[slots.inward], cache=self._caches)
        counts = np.broadcast_to(real, self.used.shape)
        self._layout.advance(counts[self._flat])
        self.used = self.used + counts
        return logits if slots.in_order else logits[slots.outward]

    def own(self) -> Own:
        """Each row's own keys and values, in the order of the rows."""
        found: Own = []
        for cache in self._caches:
            if cache.own is not None:
                keys, values = cache.own
                if not self._slots.in_order:
                    keys, values = keys[self._slots.outward], values[self._slots.outward]
                found.append((keys, values))
        return found

    @property
    def state(self) -> list[mx.array]:
        """All arrays of the caches, to be evaluated."""
        return [array for cache in self._caches for array in cache.state]
