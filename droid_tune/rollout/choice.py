"""Choosing the next token of every row: filters, the draw, and the log-probability that is recorded.

All random numbers of a wave are made at its start, from each row's own key, so a row's completion does not depend on
which rows are decoded with it or on how many fit at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx

from droid_tune.config.sampling import SamplingConfig
from droid_tune.rollout.keys import chances
from droid_tune.rollout.samplers import Draw, sample, sampler_settings, see, seen_tokens


class Chooser:
    """Draws for a fixed set of rows, of which fewer and fewer remain (`keep`)."""

    def __init__(
        self,
        sampling: SamplingConfig,
        seed: int,
        rows: Sequence[int],
        *,
        xtc_special_tokens: Sequence[int] = (),
    ) -> None:
        self._settings = sampler_settings(sampling, xtc_special_tokens)
        self._chances = chances(seed, rows, sampling.max_completion_length)
        self._seen: mx.array | None = None

    def remember(self, histories: Sequence[Sequence[int]], vocabulary: int) -> None:
        """What each row has read so far, where a filter asks for it."""
        if self._settings.needs_history:
            self._seen = seen_tokens(histories, vocabulary)

    def keep(self, places: mx.array) -> None:
        """Go on with the rows at `places` only."""
        self._chances = self._chances[places]
        if self._seen is not None:
            self._seen = self._seen[places]

    @property
    def filters(self) -> bool:
        """Whether tokens are drawn from another distribution than softmax(logits / temperature)."""
        return bool(self._settings.temperature and self._settings.filters)

    def choose(self, logits: mx.array, step: int) -> Draw:
        """Tokens (n,) for position `step` and their float32 log-probabilities, without the filters and with them, of
        logits (n, V)."""
        drawn = sample(logits, self._settings, self._chances[:, step], seen=self._seen)
        if self._seen is not None:
            self._seen = see(self._seen, drawn.tokens)
        return drawn
