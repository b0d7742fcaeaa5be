"""Choosing the next token of every row: filters, the draw, and the log-probability that is recorded.

All random numbers of a wave are made at its start, from each row's own key, so a row's completion does not depend on
which rows are decoded with it or on how many fit at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx

from droid_tune.config.sampling import SamplingConfig
from droid_tune.rollout.keys import row_keys
from droid_tune.rollout.samplers import filtered_logits, sampler_settings, see, seen_tokens

#: below 1, so that `u * total < total` also after rounding
LARGEST_UNIFORM = 1 - 2.0**-20
#: width of the pieces in which a draw looks first
BLOCK = 128


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
        self._noise = uniforms(seed, rows, sampling.max_completion_length)
        self._seen: mx.array | None = None

    def remember(self, histories: Sequence[Sequence[int]], vocabulary: int) -> None:
        """What each row has read so far, where a filter asks for it."""
        if self._settings.needs_history:
            self._seen = seen_tokens(histories, vocabulary)

    def keep(self, places: mx.array) -> None:
        """Go on with the rows at `places` only."""
        self._noise = self._noise[places]
        if self._seen is not None:
            self._seen = self._seen[places]

    def choose(self, logits: mx.array, step: int) -> tuple[mx.array, mx.array]:
        """Tokens (n,) for position `step`, and their float32 log-probabilities under
        softmax(logits (n, V) / temperature): filters act on the choice, not on what is recorded."""
        settings = self._settings
        likely = mx.softmax(logits.astype(mx.float32) * (1 / (settings.temperature or 1.0)), axis=-1)
        if self._filters or self._seen is not None:
            tokens = self._filtered(logits, step)
        elif settings.temperature:
            tokens = draw(likely, self._noise[:, 0, step])
        else:
            tokens = mx.argmax(likely, axis=-1)
        if self._seen is not None:
            self._seen = see(self._seen, tokens)
        return tokens, mx.log(mx.take_along_axis(likely, tokens[:, None], axis=-1)[:, 0])

    @property
    def _filters(self) -> bool:
        settings = self._settings
        off = (
            settings.top_k == 0
            and settings.top_p == 1
            and settings.min_p == 0
            and settings.xtc_probability == 0
        )
        return not off

    def _filtered(self, logits: mx.array, step: int) -> mx.array:
        acts = self._noise[:, 1, step, None] < self._settings.xtc_probability
        kept = filtered_logits(logits, self._settings, seen=self._seen, xtc_acts=acts)
        if not self._settings.temperature:
            return mx.argmax(kept, axis=-1)
        return draw(mx.softmax(kept, axis=-1), self._noise[:, 0, step])


def uniforms(seed: int, rows: Sequence[int], steps: int) -> mx.array:
    """Numbers in [0, 1) for every row, (n, 2, steps): one for the draw and one for XTC at each position."""

    def of_row(key: mx.array) -> mx.array:
        return mx.random.uniform(shape=(2, steps), key=key)

    return mx.minimum(mx.vmap(of_row)(row_keys(seed, rows)), LARGEST_UNIFORM)


def draw(probabilities: mx.array, uniform: mx.array) -> mx.array:
    """Token ids (n,) by inverting the cumulative distribution of `probabilities` (n, V; any positive total).

    In two levels, blocks and then tokens of one block: a single float32 running sum over a vocabulary would lose the
    mass of rare tokens near its end. A token of probability 0 is never drawn.
    """
    rows, vocabulary = probabilities.shape
    if vocabulary % BLOCK:
        probabilities = mx.pad(probabilities, [(0, 0), (0, BLOCK - vocabulary % BLOCK)])
    blocks = probabilities.reshape(rows, -1, BLOCK)
    ends = mx.cumsum(blocks.sum(axis=-1), axis=-1)
    aim = uniform[:, None] * ends[:, -1:]
    block = (ends <= aim).sum(axis=-1, keepdims=True)
    before = mx.where(block > 0, mx.take_along_axis(ends, mx.maximum(block - 1, 0), axis=-1), 0.0)
    inner = mx.cumsum(mx.take_along_axis(blocks, block[..., None], axis=1)[:, 0], axis=-1)
    within = mx.clip(aim - before, 0.0, inner[:, -1:] * LARGEST_UNIFORM)
    return block[:, 0] * BLOCK + (inner <= within).sum(axis=-1)
