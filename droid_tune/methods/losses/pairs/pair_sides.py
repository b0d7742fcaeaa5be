"""One side of some pairs, and the sums over its tokens that every preference loss is made of.

Shapes: n pairs (or rows with a verdict), T positions, right-padded; padding may hold anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx

from droid_tune.methods.losses.terms import only


@dataclass(frozen=True)
class PairSide:
    """The answers on one side: `logprobs` (n, T), differentiated; `mask` (n, T) 1 on the answer's tokens.

    `reference` (n,) are the reference's log-probabilities summed as `answer_sums` sums the policy's; `entropies` (n, T)
    are only reported.
    """

    logprobs: mx.array
    mask: mx.array
    reference: mx.array | None = None
    entropies: mx.array | None = None

    @property
    def tokens(self) -> mx.array:
        """Scored tokens of each answer (n,), 1 where there is none."""
        return token_counts(self.mask)

    @property
    def sums(self) -> mx.array:
        """Log-probability of each whole answer (n,)."""
        return answer_sums(self.logprobs, self.mask)

    @property
    def means(self) -> mx.array:
        """The same per token (n,)."""
        return self.sums / self.tokens


def token_counts(mask: mx.array) -> mx.array:
    """Scored tokens of each row of `mask` (n, T), at least 1: (n,)."""
    return mx.maximum((mask > 0).sum(axis=1).astype(mx.float32), 1.0)


def answer_sums(
    logprobs: mx.array, mask: mx.array, *, ld_alpha: float | None = None, shared: mx.array | None = None
) -> mx.array:
    """Log-probability of each answer (n,).

    With `ld_alpha` (LD-DPO, arXiv 2409.06411) the tokens behind the first `shared` (n,) scored ones, the length of the
    pair's shorter answer, count that much only: what length alone brings is desensitised.
    """
    valid = mask > 0
    scored = only(valid, logprobs)
    if ld_alpha is None or shared is None:
        return scored.sum(axis=1)
    behind = mx.cumsum(valid.astype(mx.float32), axis=1) > shared[:, None]
    return mx.where(behind, ld_alpha * scored, scored).sum(axis=1)


def shared_length(chosen: mx.array, rejected: mx.array) -> mx.array:
    """Scored tokens of a pair's shorter answer (n,), from both masks (n, T)."""
    return mx.minimum((chosen > 0).sum(axis=1), (rejected > 0).sum(axis=1)).astype(mx.float32)


def log_sigmoid(values: mx.array) -> mx.array:
    """log(1 / (1 + exp(-values))), exact for values of any size."""
    return -mx.logaddexp(mx.zeros_like(values), -values)


def smoothed(values: mx.array, label_smoothing: float) -> mx.array:
    """-log sigmoid where a share of the labels may be the wrong way round (cDPO): (n,)."""
    return -(1 - label_smoothing) * log_sigmoid(values) - label_smoothing * log_sigmoid(-values)
