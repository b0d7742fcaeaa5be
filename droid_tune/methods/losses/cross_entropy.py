"""The loss of supervised fine-tuning: cross-entropy on the tokens to learn."""

from __future__ import annotations

import mlx.core as mx

from droid_tune.methods.losses.terms import only


def supervised_loss(
    logprobs: mx.array, mask: mx.array, tokens: float
) -> tuple[mx.array, dict[str, mx.array]]:
    """Cross-entropy: these rows' share of the mean over `tokens`, in nats per token.

    `mask` (n, T) is 1 on the tokens to learn; `tokens` counts them over everything that one optimizer step
    takes in, so that each token weighs the same however the step is cut.
    """
    valid = mask > 0
    total = -only(valid, logprobs).sum()
    sums = {"nll": mx.stop_gradient(total), "tokens": valid.sum().astype(mx.float32)}
    return total / max(tokens, 1.0), sums
