"""Drawing tokens: one uniform number per row and step, from the seed alone.

The numbers are made on the host from (seed, row, step), so a row's draw does not depend on which rows are decoded
with it, on the device, or on how many rows fit at once.
"""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import numpy.typing as npt

#: below 1, so that `u * total < total` also after rounding
LARGEST_UNIFORM = 1 - 2.0**-20
BLOCK = 128


def uniforms(seed: int, rows: npt.NDArray[np.int64], steps: int) -> npt.NDArray[np.float32]:
    """Uniform numbers (steps, len(rows)) in [0, 1); a column depends on (seed, row) only."""
    columns = [np.random.Generator(np.random.Philox(key=[seed, int(row)])).random(steps) for row in rows]
    return np.minimum(np.stack(columns, axis=1), LARGEST_UNIFORM).astype(np.float32)


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
