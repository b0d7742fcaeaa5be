"""The critic's loss: half the squared error, with values held near what they were when the rollout was made (PPO).

Shapes: n rows, T positions.
"""

from __future__ import annotations

import mlx.core as mx

from droid_tune.methods.losses.terms import only


def critic_loss(
    values: mx.array, before: mx.array, returns: mx.array, mask: mx.array, clip: float, tokens: float
) -> tuple[mx.array, dict[str, mx.array]]:
    """These rows' share of the mean over `tokens` tokens, and sums to report.

    `values` (n, T) are differentiated; `before` (n, T) are those at rollout, from which values may move by `clip` before
    their gradient is cut (0: as far as they like). Of both errors the larger one counts.
    """
    valid = mask > 0
    found, old = only(valid, values), only(valid, before)
    wanted = only(valid, returns)
    error = mx.square(found - wanted)
    clipped = mx.zeros_like(error)
    if clip:
        held = mx.square(old + mx.clip(found - old, -clip, clip) - wanted)
        clipped = (held > error).astype(mx.float32)
        error = mx.maximum(error, held)
    loss = 0.5 * only(valid, error).sum() / max(tokens, 1.0)
    sums = {
        "critic/loss": 0.5 * only(valid, error).sum(),
        "critic/clipped": only(valid, clipped).sum(),
        "critic/value": found.sum(),
    }
    return loss, {name: mx.stop_gradient(value) for name, value in sums.items()}
