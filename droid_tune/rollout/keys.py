"""Randomness of a rollout: a key for each row and position, so that batching never changes what is drawn.

Rows that finish leave the batch, and memory decides how many rows are decoded at once; with one key for the
whole batch either would change every other row's completion.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import mlx.core as mx
import numpy as np

#: width of the pieces of a vocabulary that are looked at first as a whole
PIECE = 128
#: tells the stream of `uniform` from that of `draw`
SECOND_STREAM = 0x5851F42D


def row_keys(seed: int, rows: Sequence[int]) -> mx.array:
    """A key (n, 2) for each row number of a rollout, from the rollout's seed."""
    digests = [hashlib.blake2b(f"{seed}:{row}".encode(), digest_size=8).digest() for row in rows]
    return mx.array(np.frombuffer(b"".join(digests), dtype="<u4").reshape(-1, 2).astype(np.uint32))


def step_keys(keys: mx.array, position: int | mx.array) -> mx.array:
    """The rows' keys (n, 2) for the token at `position` of the completion, a number or one per row (n,)."""
    offset = mx.array(position).astype(mx.uint32)
    return mx.stack([keys[:, 0], keys[:, 1] + offset], axis=1)


def draw(logits: mx.array, keys: mx.array) -> tuple[mx.array, mx.array]:
    """One categorical draw per row from logits (n, V) with keys (n, 2): tokens (n,) uint32, log-probabilities (n,).

    First a piece of the vocabulary by its mass, then a token of the piece: two random numbers per row, where the
    Gumbel trick takes V of them and two logarithms each; and the normaliser falls out. What has the logit
    -inf is never drawn.
    """
    best = logits.max(axis=-1, keepdims=True)
    mass = pieces(mx.exp(logits - best), filler=0.0)  # (n, C, PIECE)
    shares = mass.sum(axis=-1)
    chance = mx.vmap(_two_uniforms)(keys)
    piece = _pick(shares, chance[:, :1])
    inside = mx.take_along_axis(mass, piece[..., None], axis=1)[:, 0]
    tokens = piece * PIECE + _pick(inside, chance[:, 1:])
    chosen = mx.take_along_axis(logits, tokens, axis=-1) - best
    return tokens[:, 0], (chosen - mx.log(shares.sum(axis=-1, keepdims=True)))[:, 0]


def uniform(keys: mx.array) -> mx.array:
    """One number in [0, 1) per row (n,), independent of what `draw` does with the same keys."""
    return mx.vmap(_two_uniforms)(mx.stack([keys[:, 0] ^ SECOND_STREAM, keys[:, 1]], axis=1))[:, 0]


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


def _two_uniforms(key: mx.array) -> mx.array:
    return mx.random.uniform(shape=(2,), key=key)
