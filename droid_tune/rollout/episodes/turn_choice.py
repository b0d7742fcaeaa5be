"""Choosing tokens for rows that are at different places: each row's random numbers are its own, by place in the row."""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import numpy as np

from droid_tune.config.sampling import SamplingConfig
from droid_tune.rollout.keys import chances
from droid_tune.rollout.samplers import Draw, sample, sampler_settings, see, seen_tokens


class TurnChooser:
    """Draws for any of a rollout's rows; `keys` (N,) number them, `longest` is how many tokens a row may have."""

    def __init__(
        self,
        sampling: SamplingConfig,
        seed: int,
        keys: Sequence[int],
        vocabulary: int,
        never_excluded: Sequence[int],
    ) -> None:
        self._settings = sampler_settings(sampling, [one for one in never_excluded if one < vocabulary])
        self._chances = chances(seed, keys, sampling.max_completion_length)
        self._vocabulary = vocabulary
        self._seen = seen_tokens([[]] * len(keys), vocabulary) if self._settings.needs_history else None

    @property
    def filters(self) -> bool:
        """Whether tokens are drawn from another distribution than softmax(logits / temperature)."""
        return bool(self._settings.temperature and self._settings.filters)

    def remember(self, rows: Sequence[int], histories: Sequence[Sequence[int]]) -> None:
        """What rows that come into the batch have read so far, where a filter asks for it."""
        if self._seen is not None:
            self._seen[mx.array(np.asarray(rows))] = seen_tokens(histories, self._vocabulary)

    def choose(self, logits: mx.array, rows: Sequence[int], places: Sequence[int]) -> Draw:
        """Tokens (n,) of `rows` at their `places`, and their log-probabilities, of logits (n, V)."""
        within = np.minimum(
            np.asarray(places), self._chances.shape[1] - 1
        )  # beyond it only what is taken back
        chosen = mx.array(np.asarray(rows))
        seen = None if self._seen is None else self._seen[chosen]
        drawn = sample(logits, self._settings, self._chances[chosen, mx.array(within)], seen=seen)
        if self._seen is not None and seen is not None:
            self._seen[chosen] = see(seen, drawn.tokens)
        return drawn
