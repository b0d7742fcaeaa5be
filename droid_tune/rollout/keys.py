"""Randomness of a rollout: numbers of each row's own, so that batching never changes what is drawn.

Rows that finish leave the batch, and memory decides how many rows are decoded at once; with one stream for the
whole batch either would change every other row's completion.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import mlx.core as mx
import numpy as np

from droid_tune.numerics import falling

#: numbers that one position of one row needs: a piece of the vocabulary, a token of the piece, whether XTC acts
CHANCES = 3
#: width of the pieces of a vocabulary that are looked at first as a whole
PIECE = 128


def row_keys(seed: int, rows: Sequence[int]) -> mx.array:
    """A key (n, 2) for each row number of a rollout, from the rollout's seed."""
    digests = [hashlib.blake2b(f"{seed}:{row}".encode(), digest_size=8).digest() for row in rows]
    return mx.array(np.frombuffer(b"".join(digests), dtype="<u4").reshape(-1, 2).astype(np.uint32))


def chances(seed: int, rows: Sequence[int], positions: int) -> mx.array:
    """Numbers in [0, 1) for every position of every row (n, positions, CHANCES), made once before decoding."""

    def of_row(key: mx.array) -> mx.array:
        return mx.random.uniform(shape=(positions, CHANCES), key=key)

    return mx.vmap(of_row)(row_keys(seed, rows))


def draw(logits: mx.array, chance: mx.array) -> tuple[mx.array, mx.array]:
    """One categorical draw per row from logits (n, V): tokens (n,) uint32 and log-probabilities (n,).

    First a piece of the vocabulary by its mass with chance[:, 0], then a token of the piece with chance[:, 1]. The
    Gumbel trick would take V random numbers and two logarithms of each; here the normaliser falls out,
    and a single running sum over a vocabulary, which loses rare tokens, is avoided. What has the logit -inf is
    never drawn.
    """
    best = logits.max(axis=-1, keepdims=True)
    tokens, total = drawn_by(falling(best - logits), chance)
    chosen = mx.take_along_axis(logits, tokens, axis=-1) - best
    return tokens[:, 0], (chosen - mx.log(total))[:, 0]


def drawn_by(mass: mx.array, chance: mx.array) -> tuple[mx.array, mx.array]:
    """The same of tokens' unnormalised probabilities (n, V): tokens (n, 1), and their sum (n, 1)."""
    parts = pieces(mass, filler=0.0)  # (n, C, PIECE)
    shares = parts.sum(axis=-1)
    piece = _pick(shares, chance[:, 0:1])
    inside = mx.take_along_axis(parts, piece[..., None], axis=1)[:, 0]
    return piece * PIECE + _pick(inside, chance[:, 1:2]), shares.sum(axis=-1, keepdims=True)


def pieces(values: mx.array, filler: float) -> mx.array:
    """(n, V) -> (n, C, PIECE), the last piece padded with `filler`."""
    spare = -values.shape[-1] % PIECE
    if spare:
        values = mx.pad(values, [(0, 0), (0, spare)], constant_values=filler)
    return values.reshape(values.shape[0], -1, PIECE)


def _pick(mass: mx.array, chance: mx.array) -> mx.array:
    """The index (n, 1) at which the running mass (n, m) passes `chance` (n, 1) of its total: never one without mass.

    The second count is the last index that adds anything: rounding cannot lead past it.
    """
    running = mx.cumsum(mass, axis=-1)
    total = running[:, -1:]
    passed = (running <= chance * total).sum(axis=-1, keepdims=True)
    return mx.minimum(passed, (running < total).sum(axis=-1, keepdims=True)).astype(mx.uint32)
