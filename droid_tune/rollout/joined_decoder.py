"""Decoding by few operations a token, of rows that each hold a copy of their prompt (see model/kernels/joined_body.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mlx.core as mx
import numpy as np

from droid_tune.model.kernels.joined_body import JoinedBody, JoinedCache
from droid_tune.rollout.prefilled import PrefilledPrompt, keys_and_values


class JoinedDecoder:
    """Rows that add `most` tokens at most; `head` makes logits (n, V) of hidden states (n, D)."""

    def __init__(
        self,
        body: JoinedBody,
        head: Callable[[mx.array], mx.array],
        prompts: Sequence[PrefilledPrompt],
        row_prompts: Sequence[int],
        most: int,
    ) -> None:
        self._body, self._head, self._used = body, head, 0
        lengths = np.array([prompt.length for prompt in prompts])[np.asarray(row_prompts)]
        self._longest = int(lengths.max())
        self._ragged = bool(lengths.min() < self._longest)
        self._angles = body.angles(self._longest + most)
        self._lengths = mx.array(lengths if self._ragged else lengths[:1])
        place = np.arange(self._longest + most)
        hidden = (place >= lengths[:, None]) & (place < self._longest)
        self._hidden = mx.array(np.where(hidden, -np.inf, 0.0).astype(np.float32)[:, None, None])
        chosen = [prompts[prompt] for prompt in row_prompts]
        self._caches: list[JoinedCache] = []
        for keys, values in keys_and_values(chosen, self._longest):
            self._caches.append(JoinedCache(mx.concatenate([keys, values], axis=1), most))
            mx.eval(self._caches[-1].state)

    def step(self, tokens: mx.array) -> mx.array:
        """Logits (n, V) after one further token of each row (n,)."""
        angles = self._angles[self._lengths + self._used]
        self._used += 1
        hidden = self._hidden[..., : self._longest + self._used] if self._ragged else None
        return self._head(self._body(tokens, angles, self._caches, hidden))

    def keep(self, places: np.ndarray) -> None:
        """Goes on with the rows at `places` only."""
        rows = mx.array(places)
        if self._ragged:
            self._hidden, self._lengths = self._hidden[rows], self._lengths[rows]
        for cache in self._caches:  # one layer after the other: what it was exists twice meanwhile
            cache.keep(rows)
            mx.eval(cache.state)
